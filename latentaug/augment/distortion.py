"""How unlike two images are in shape, whatever small deformations lie between them.

The image distortion model (Keysers, Deselaers, Gollan and Ney, 2007): every patch of one image is compared with the
best of the patches around the same place in the other, so that a stroke a pixel further left costs nothing, and one
that is missing costs all of it. Patches are of gradients, which tell shapes better than grey levels do.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from latentaug.datasets.selection import Images

SIDES = (28, 16)
"""Longest sides, in pixels, at which shapes are compared, so that a pixel is about as much of a shape in every image.
Which serves better depends on the images: the finer one for MNIST (0.3 % more of the labels are right), the coarser one
for UJIPEN (6 % more)."""
REACH = 1
"""How many pixels a patch may have moved, each way; 2 made MNIST's nearest images purer, and its labels worse."""
_TOGETHER = 1024
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def sides(images: Images) -> tuple[int, ...]:
    """The `SIDES` that images uint8 [n, h, w, c] can be compared at; at least the smallest."""
    longest = max(images.shape[1:3])
    return tuple(side for side in SIDES if side <= longest) or SIDES[-1:]


def shapes(images: Images, side: int) -> Tensor:
    """What images are compared by: the horizontal and vertical gradients of each channel.

    Args:
        images: uint8 [n, h, w, c]. Colour images that show nothing but grey count as grey.
        side: longest side at which to compare them: larger images are reduced to it, and smaller ones doubled until
            they have it.

    Returns:
        float16 [n, 2 c, height, width], to save memory; `distortion` computes in float32.
    """
    channels = 1 if _grey(images) else images.shape[3]
    sobel = torch.tensor(_SOBEL) / (4 * 255)
    kernels = torch.stack([sobel, sobel.T])[:, None].repeat(channels, 1, 1, 1)  # [2 c, 1, 3, 3]
    features = torch.empty(0)
    for part in _parts(len(images)):
        levels = torch.tensor(images[part][..., :channels]).permute(0, 3, 1, 2).float()
        gradients = functional.conv2d(_doubled(reduced(levels, side), side), kernels, padding=1, groups=channels)
        if not len(features):
            features = torch.empty((len(images), *gradients.shape[1:]), dtype=torch.float16)
        features[part] = gradients.half()
    return features


def _grey(images: Images) -> bool:
    """Whether images show nothing but grey."""
    if images.shape[3] == 1:
        return True
    return all((some == some[..., :1]).all() for some in (images[part] for part in _parts(len(images))))


def _parts(n: int) -> Iterator[slice]:
    """Some images after others."""
    return (slice(start, start + _TOGETHER) for start in range(0, n, _TOGETHER))


def reduced(images: Tensor, side: int) -> Tensor:
    """Images float32 [n, c, h, w] of which no side is longer than `side`."""
    longest = max(images.shape[2:])
    if longest <= side:
        return images
    size = [max(1, round(length * side / longest)) for length in images.shape[2:]]
    return functional.interpolate(images, size=size, mode="area")


def _doubled(images: Tensor, side: int) -> Tensor:
    """Images float32 [n, c, h, w] whose longest side is at least `side`."""
    times = 1
    while times * max(images.shape[2:]) < side:
        times *= 2
    return functional.interpolate(images, scale_factor=times, mode="bilinear") if times > 1 else images


def distortion(a: Tensor, b: Tensor) -> Tensor:
    """How much of each image of `a` cannot be found within `REACH` pixels in those of `b` that it is compared with.

    For every pixel it is the squared difference between the 3x3 patch around it and the best of the patches around its
    place in `b`; the whole is the sum over pixels. It takes about 12 us for a pair of 28x28 on one core.

    Args:
        a: float16 or float32 [n, c, h, w], of `shapes`.
        b: k others for each, one image's after another's, [n * k, c, h, w].

    Returns:
        float32 [n * k], 0 for equal images.
    """
    height, width = a.shape[2:]
    x = _pairs_last(a, 1).repeat_interleave(len(b) // len(a), dim=3)  # [c, h + 2, w + 2, p]
    y = _pairs_last(b, 1 + REACH)  # [c, h + 2 + 2 REACH, w + 2 + 2 REACH, p]
    difference, squared = torch.empty_like(x[0]), torch.empty_like(x[0])
    lines, patches = torch.empty_like(x[0, 2:]), torch.empty_like(x[0, 2:, 2:])
    best = torch.full_like(patches, torch.inf)  # [h, w, p]
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            moved = y[:, down : down + height + 2, right : right + width + 2]
            torch.sub(x[0], moved[0], out=difference)
            torch.mul(difference, difference, out=squared)
            for channel in range(1, len(x)):
                torch.sub(x[channel], moved[channel], out=difference)
                squared.addcmul_(difference, difference)
            torch.add(squared[:-2], squared[1:-1], out=lines).add_(squared[2:])
            torch.add(lines[:, :-2], lines[:, 1:-1], out=patches).add_(lines[:, 2:])
            torch.minimum(best, patches, out=best)
    return best.sum(dim=(0, 1))


def _pairs_last(images: Tensor, margin: int) -> Tensor:
    """Images [p, c, h, w] as float32 [c, h + 2 margin, w + 2 margin, p], with zeros around each.

    The last dimension lies inside, so that every operation runs over whole rows of numbers.
    """
    p, c, height, width = images.shape
    turned = images.reshape(p, -1).T.contiguous().view(c, height, width, p)
    padded = torch.zeros(c, height + 2 * margin, width + 2 * margin, p)
    padded[:, margin : margin + height, margin : margin + width] = turned
    return padded
