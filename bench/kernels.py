"""The floor of training, and of serving on a GPU: the network's products and convolutions alone, by PyTorch's kernels.

Nothing else of a request or a step is done: no ReLU, loss, copy, optimiser or batching. Code that calls the same
kernels cannot be faster than this, however little time the rest takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.convolutions import StridedConv2d, SubpixelConvTranspose2d, channels_last, reduce, subpixel_kernel

NAME = "products and convolutions alone"

Call: TypeAlias = Callable[[], object]


class Layer(NamedTuple):
    """A layer with weights, and tensors like its input [n, ...] and its output [n, ...]."""

    module: nn.Linear | StridedConv2d | SubpixelConvTranspose2d
    x: Tensor
    y: Tensor


@torch.inference_mode()
def run(calls: Sequence[Call]) -> None:
    """Call each one once."""
    for call in calls:
        call()


@torch.inference_mode()
def together(calls: Sequence[Call], device: str) -> Call:
    """Make all of them one call that returns when they are done, on a GPU as a CUDA graph. It has been called once."""
    run(calls)
    if device == "cpu":
        return lambda: run(calls)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run(calls)

    def replay() -> None:
        graph.replay()
        torch.cuda.synchronize()

    return replay


def augmentation(architecture: Architecture, n: int, children: int, device: str) -> list[Call]:
    """Return the calls that encode n images and decode `children` of each, n at a time."""
    encoder, decoder = layers(architecture, n, device)
    return [frozen(layer) for layer in encoder + decoder * children]


def training_step(architecture: Architecture, n: int, device: str) -> list[Call]:
    """Return the calls of a step on n images, forward and backward. Nobody needs the gradient by the images."""
    encoder, decoder = layers(architecture, n, device)
    every = encoder + decoder
    return [call(layer) for call in (forward, by_weight) for layer in every] + [by_input(layer) for layer in every[1:]]


def layers(architecture: Architecture, n: int, device: str) -> tuple[list[Layer], list[Layer]]:
    """Return the encoder's and the decoder's layers, with tensors for n images."""
    vae, found = VAE(architecture).to(device), list[Layer]()

    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(module, nn.Linear | StridedConv2d | SubpixelConvTranspose2d)
        found.append(Layer(module, laid_out(inputs[0]), laid_out(output)))

    for module in vae.modules():
        if isinstance(module, nn.Linear | StridedConv2d | SubpixelConvTranspose2d):
            module.register_forward_hook(record)
    with torch.no_grad():
        x = torch.rand(n, architecture.channels, architecture.height, architecture.width, device=device)
        mean, _ = vae.encode(x)
        encoder = found.copy()
        found.clear()
        vae.output(mean)
    return encoder, found


def laid_out(x: Tensor) -> Tensor:
    """Lay out images channels-last, and leave everything else as it is."""
    return channels_last(x) if x.ndim == 4 else x.contiguous()


def forward(layer: Layer) -> Call:
    """Return the call that computes the layer's output from its input."""
    module, x, _ = layer
    weight, bias = module.weight.detach(), module.bias
    if isinstance(module, nn.Linear):
        return lambda: functional.linear(x, weight, bias)
    if isinstance(module, StridedConv2d):
        return lambda: reduce(x, weight, bias)
    return enlarging(x, weight, bias)


def frozen(layer: Layer) -> Call:
    """Return the call that computes the layer's output, by the kernels of `latentaug.vae.inference`."""
    module, x, _ = layer
    if not isinstance(module, nn.Linear):
        return forward(layer)
    weight, bias = module.weight.detach().t().contiguous(), module.bias.detach()
    return lambda: torch.addmm(bias, x, weight)


def by_input(layer: Layer) -> Call:
    """Return the call that computes the gradient by the layer's input from that by its output."""
    module, _, y = layer
    weight = module.weight.detach()
    if isinstance(module, nn.Linear):
        return lambda: y @ weight
    return enlarging(y, weight, None) if isinstance(module, StridedConv2d) else lambda: reduce(y, weight, None)


def by_weight(layer: Layer) -> Call:
    """Return the call that computes the gradient by the layer's weight from its input and that by its output."""
    module, x, y = layer
    if isinstance(module, nn.Linear):
        return lambda: y.t() @ x
    large, small = (x, y) if isinstance(module, StridedConv2d) else (y, x)
    return lambda: conv2d_weight(large, module.weight.shape, small, stride=2, padding=2)  # type: ignore[no-untyped-call]


def enlarging(x: Tensor, weight: Tensor, bias: Tensor | None) -> Call:
    """Return the call of the convolution inside `latentaug.vae.convolutions.enlarge`."""
    kernel, biases = subpixel_kernel(weight, bias)
    stride = kernel.shape[-1] - 2
    return lambda: functional.conv2d(x, kernel, biases, stride=stride, padding=1)
