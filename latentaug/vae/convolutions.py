"""The VAE's 5x5 convolution of stride 2 and its transpose, with a fast way to compute the transpose and gradients.

The gradient of a strided convolution by its input is the transposed convolution, and the other way round, so `reduce`
and `enlarge` serve both layers in both directions. PyTorch has both, but on a CPU its transposed convolution is far
slower than `enlarge`. Everything is channels-last, the layout in which oneDNN needs no copies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

VECTOR = 16
"""float32 numbers in an AVX-512 register: a convolution with fewer output channels leaves part of it idle."""


def channels_last(x: Tensor) -> Tensor:
    """Return the same [n, c, h, w] with its channels side by side in memory; it is copied only if they are not.

    With a single channel both layouts are the same in memory, and its strides tell PyTorch which of them it is.
    """
    if x.shape[1] == 1:
        return x.reshape(x.shape[0], x.shape[2], x.shape[3], 1).permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last)


def autocast(x: Tensor, *weights: Tensor | None) -> list[Tensor | None]:
    """Cast a convolution's tensors as `torch.autocast` would, which does not look into autograd functions."""
    if not torch.is_autocast_enabled(x.device.type):
        return [x, *weights]
    dtype = torch.get_autocast_dtype(x.device.type)
    return [None if tensor is None else tensor.to(dtype) for tensor in (x, *weights)]


@overload
def subpixel_kernel(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]: ...
@overload
def subpixel_kernel(weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor | None]: ...
def subpixel_kernel(weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Arrange a transposed convolution's weight and bias as those of the convolution that `enlarge` computes it with.

    A transposed convolution of stride 2 is a convolution with several outputs for each input place, interleaved after
    it (Shi et al., 2016). With f x f outputs a place, f = 2 or 4, output row f q + r takes input row
    (f / 2) q - 1 + t through kernel row 4 + r - 2 t, where there is one. The larger f does more arithmetic, most of it
    with zeros, but is quicker where it fills a register that f = 2 leaves mostly idle.

    Args:
        weight: float [in, out, 5, 5].
        bias: float [out], or None.

    Returns:
        Weight float [f f out, in, f / 2 + 2, f / 2 + 2], channels-last, and bias float [f f out].
    """
    places, factor = _kernel_places(weight.shape[0], weight.shape[1], weight.device)
    kernel = functional.pad(weight.flatten(), (0, 1)).take(places).permute(0, 3, 1, 2)
    return kernel, None if bias is None else bias.repeat(factor**2)


@lru_cache(maxsize=64)
def _kernel_places(n_in: int, n_out: int, device: torch.device) -> tuple[Tensor, int]:
    """Where each number of a kernel stands in the flat weight, int64 [f f out, f / 2 + 2, f / 2 + 2, in], and f.

    The place behind the weight's end stands for zero. The places are kept, because training needs them in every step,
    and finding them takes longer than using them.
    """
    factor = 4 if 4 * 4 * n_out <= VECTOR else 2
    taps = torch.arange(factor // 2 + 2)
    rows = 4 + torch.arange(factor)[:, None] - 2 * taps  # [f, taps]
    rows = rows.where((rows >= 0) & (rows < 5), 5)  # 5 is a row of zeros
    weight = torch.arange(n_in * n_out * 25).view(n_in, n_out, 5, 5)
    weight = functional.pad(weight, (0, 1, 0, 1), value=weight.numel())
    places = weight[:, :, rows][..., rows]  # [in, out, f, taps, f, taps]
    places = places.permute(2, 4, 1, 3, 5, 0).reshape(factor**2 * n_out, len(taps), len(taps), n_in)
    return places.to(device), factor


def enlarge(x: Tensor, kernel: Tensor, bias: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Compute `conv_transpose2d` with kernel 5, stride 2 and padding 2: the same numbers up to rounding.

    Args:
        x: float [n, in, h, w].
        kernel: the weight that `subpixel_kernel` gives.
        bias: the bias that `subpixel_kernel` gives, or None.
        size: height and width of the output: 2h or 2h - 1, and 2w or 2w - 1.

    Returns:
        float [n, out, *size].
    """
    return interleave(subpixels(x, kernel, bias), kernel, size)


def subpixels(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Compute what `enlarge` interleaves: [n, in, h, w] to [n, ceil(2h / f), ceil(2w / f), f f out], contiguous."""
    stride = _factor(kernel) // 2
    x = channels_last(x)
    if x.shape[2] % stride or x.shape[3] % stride:
        x = functional.pad(x, (0, x.shape[3] % stride, 0, x.shape[2] % stride))
    return functional.conv2d(x, kernel, bias, stride=stride, padding=1).permute(0, 2, 3, 1).contiguous()


def interleave(places: Tensor, kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Put the outputs of each place where they belong in the image.

    Args:
        places: what `subpixels` gives, or something computed from each of its numbers, of any type.
        kernel: the kernel that they were computed with.
        size: as in `enlarge`.

    Returns:
        [n, out, *size], channels-last.
    """
    factor = _factor(kernel)
    n, height, width, channels = places.shape
    row = places.reshape(n, height, width, factor, channels // factor)  # [n, h, w, f, f out]
    words = row.view(_word(row.shape[4] * row.element_size()))  # the longer the words, the fewer to copy
    rows = words.transpose(2, 3).contiguous().view(places.dtype)  # [n, h, f, w, f out]
    image = rows.view(n, factor * height, factor * width, channels // factor**2)
    return image[:, : size[0], : size[1]].permute(0, 3, 1, 2)


def _factor(kernel: Tensor) -> int:
    """The f of a kernel of `subpixel_kernel`."""
    return 2 * (kernel.shape[-1] - 2)


def _word(size: int) -> torch.dtype:
    """The longest integer type whose bytes divide `size` evenly."""
    return next(word for word in (torch.int64, torch.int32, torch.int16, torch.uint8) if size % word.itemsize == 0)


def reduce(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute `conv2d` with stride 2 and padding 2.

    Args:
        x: float [n, in, h, w].
        weight: float [out, in, 5, 5].
        bias: float [out], or None.

    Returns:
        float [n, out, (h + 1) // 2, (w + 1) // 2].
    """
    return functional.conv2d(channels_last(x), channels_last(weight), bias, stride=2, padding=2)


class StridedConv2d(nn.Conv2d):
    """`nn.Conv2d` with kernel 5, stride 2, padding 2: same parameters, numbers and gradients, faster backward.

    Args:
        in_channels: channels of the input [n, in, h, w].
        out_channels: channels of the output [n, out, (h + 1) // 2, (w + 1) // 2].
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 5, stride=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [n, in, h, w] to [n, out, (h + 1) // 2, (w + 1) // 2]."""
        result: Tensor = _Reduce.apply(*autocast(x, self.weight, self.bias))  # type: ignore[no-untyped-call]
        return result


class SubpixelConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` with kernel 5, stride 2, padding 2: same parameters, numbers and gradients, but faster.

    Args:
        in_channels: channels of the input [n, in, h, w].
        out_channels: channels of the output [n, out, 2h - 1 + p, 2w - 1 + q].
        output_padding: (p, q), each 0 or 1.
    """

    def __init__(self, in_channels: int, out_channels: int, output_padding: tuple[int, int]) -> None:
        super().__init__(in_channels, out_channels, 5, stride=2, padding=2, output_padding=output_padding)

    def output_size(self, x: Tensor) -> tuple[int, int]:
        """Return the height and width that [n, in, h, w] is enlarged to."""
        height, width = (2 * x.shape[2 + axis] - 1 + int(self.output_padding[axis]) for axis in range(2))
        return height, width

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # the output's size is fixed
        """Map float [n, in, h, w] to [n, out, 2h - 1 + p, 2w - 1 + q]."""
        size = self.output_size(x)
        result: Tensor = _Enlarge.apply(*autocast(x, self.weight, self.bias), size)  # type: ignore[no-untyped-call]
        return result


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute `reduce`, and keep what its gradients need."""
        ctx.save_for_backward(x, weight)
        return reduce(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Map the gradient by the output to those by input, weight and bias; None by an input that needs none."""
        x, weight = ctx.saved_tensors
        by_input = None  # nobody needs the gradient by the images
        if ctx.needs_input_grad[0]:
            by_input = enlarge(gradient, *subpixel_kernel(weight), (x.shape[2], x.shape[3]))
        return by_input, _weight_gradient(x, gradient, weight.shape), gradient.sum((0, 2, 3))


class _Enlarge(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, size: tuple[int, int]) -> Tensor:
        """Compute `enlarge`, and keep what its gradients need."""
        ctx.save_for_backward(x, weight)
        return enlarge(x, *subpixel_kernel(weight, bias), size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Map the gradient by the output to those by input, weight and bias; the size has none."""
        x, weight = ctx.saved_tensors
        by_weight = _weight_gradient(gradient, x, weight.shape)
        return reduce(gradient, weight, None), by_weight, gradient.sum((0, 2, 3)), None


def _weight_gradient(large: Tensor, small: Tensor, shape: torch.Size) -> Tensor:
    """Gradient by the weight of a strided convolution from `large` to `small`, or of its transpose back.

    Where `large` has one channel, a CPU computes it in float32: in bfloat16 oneDNN takes several times as long.
    """
    if large.shape[1] == 1 and not large.is_cuda:
        large, small = large.float(), small.float()
    gradient: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
        channels_last(large), shape, channels_last(small), stride=2, padding=2
    )
    return gradient
