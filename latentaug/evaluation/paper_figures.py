"""The paper's figures 2, 3, 5, 6 and 7, from any images and any model that encodes and decodes them, as PNG bytes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.methods import alter
from latentaug.imaging.pixels import contact_sheet, encode_png
from latentaug.options import METHODS
from latentaug.vae.codec import Codec

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

_SIDE = 56
_GAP = 24


def reconstructions(images: Pixels, codec: Codec) -> bytes:
    """Figure 2: images on top, and below each what is left of it after encoding and decoding.

    Args:
        images: uint8 [n, h, w, c].
        codec: a model of such images.
    """
    decoded = _grey_levels(codec.decode(codec.encode(images)))
    return encode_png(contact_sheet([list(images), list(decoded)], _scale(images)))


def interpolations(pairs: Pixels, codec: Codec, steps: int = 9) -> bytes:
    """Figures 3, 5 and 6: one row for each pair, with the images themselves at its ends.

    Args:
        pairs: uint8 [p, 2, h, w, c], each the first and the last image of a row.
        codec: a model of such images.
        steps: points to decode, evenly spaced from the latents of the one to those of the other, both included.
    """
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]  # [steps, 1]
    rows = []
    for first, last in pairs:
        start, end = codec.encode(np.stack([first, last]))  # [d] each
        between = _grey_levels(codec.decode(start + share * (end - start)))  # [steps, h, w, c]
        rows.append([first, *between, last])
    return encode_png(contact_sheet(rows, _scale(pairs[0])))


def generation(
    images: Pixels, labels: Labels, codec: Codec, sigma: Floats, *, alpha: float, k: int, seed: int
) -> bytes:
    """Figure 7: from left to right one new image of each source by noise, interpolation and extrapolation.

    Args:
        images: uint8 [n, h, w, c], the sources, in rows of about the square root of n.
        labels: int64 [n]; neighbours are of the same label.
        codec: a model of such images.
        sigma: float32 [d], standard deviations over the projected data set (equation 8).
        alpha: how far latents are moved.
        k: neighbours of each source, of which the nearest is taken.
        seed: of the noise.

    Raises:
        InvalidInput: an argument outside its range.
        ClassTooSmall: a label has fewer than k neighbours.
    """
    latents, columns = codec.encode(images), math.ceil(math.sqrt(len(images)))
    panels = []
    for method in METHODS:
        altered = alter(latents, method=method, alpha=alpha, k=k, copies=k, sigma=sigma, seed=seed, labels=labels)
        decoded = _grey_levels(codec.decode(altered.latents[::k]))  # the first child of each source
        rows = [list(decoded[start : start + columns]) for start in range(0, len(decoded), columns)]
        panels.append(contact_sheet(rows, _scale(images)))
    apart = [np.pad(panel, ((0, 0), (0, _GAP), (0, 0)), constant_values=255) for panel in panels[:-1]]
    return encode_png(np.concatenate([*apart, panels[-1]], axis=1))


def _scale(images: Pixels) -> int:
    """How many times small images are enlarged."""
    height: int = images.shape[1]
    return max(1, round(_SIDE / height))


def _grey_levels(images: Floats) -> Pixels:
    return (images * 255).round().clip(0, 255).astype(np.uint8)
