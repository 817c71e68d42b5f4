"""The floor of serving and training: the network's matrix products and convolutions alone, by the kernels ours calls.

Nothing else of a request or a step is done: no ReLU, loss, copy, optimiser or batching. Nobody who calls the same
kernels gets faster than this, however little the rest of it took.
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
    """Call each once."""
    for call in calls:
        call()


@torch.inference_mode()
def together(calls: Sequence[Call], device: str) -> Call:
    """All of them as one call that returns when they are done; on a GPU as a CUDA graph. Called once already."""
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
    """Encode n images and decode `children` of each, n at a time."""
    encoder, decoder = layers(architecture, n, device)
    return [frozen(layer) for layer in encoder + decoder * children]


def training_step(architecture: Architecture, n: int, device: str) -> list[Call]:
    """Forward and backward of n images. Images need no gradient, so the first layer gives none by its input."""
    encoder, decoder = layers(architecture, n, device)
    every = encoder + decoder
    return [call(layer) for call in (forward, by_weight) for layer in every] + [by_input(layer) for layer in every[1:]]


def layers(architecture: Architecture, n: int, device: str) -> tuple[list[Layer], list[Layer]]:
    """The encoder's and the decoder's layers, with tensors of n images."""
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
        vae.decode_logits(mean)
    return encoder, found


def laid_out(x: Tensor) -> Tensor:
    """Images channels-last, everything else as it is."""
    return channels_last(x) if x.ndim == 4 else x.contiguous()


def forward(layer: Layer) -> Call:
    """The layer's output from its input."""
    module, x, _ = layer
    weight, bias = module.weight.detach(), module.bias
    if isinstance(module, nn.Linear):
        return lambda: functional.linear(x, weight, bias)
    if isinstance(module, StridedConv2d):
        return lambda: reduce(x, weight, bias)
    return enlarging(x, weight, bias)


def frozen(layer: Layer) -> Call:
    """The layer's output from its input, by the kernels of `latentaug.vae.inference`."""
    module, x, _ = layer
    if not isinstance(module, nn.Linear):
        return forward(layer)
    weight, bias = module.weight.detach().t().contiguous(), module.bias.detach()
    return lambda: torch.addmm(bias, x, weight)


def by_input(layer: Layer) -> Call:
    """The gradient by the layer's input from that by its output."""
    module, _, y = layer
    weight = module.weight.detach()
    if isinstance(module, nn.Linear):
        return lambda: y @ weight
    return enlarging(y, weight, None) if isinstance(module, StridedConv2d) else lambda: reduce(y, weight, None)


def by_weight(layer: Layer) -> Call:
    """The gradient by the layer's weight from its input and that by its output."""
    module, x, y = layer
    if isinstance(module, nn.Linear):
        return lambda: y.t() @ x
    large, small = (x, y) if isinstance(module, StridedConv2d) else (y, x)
    return lambda: conv2d_weight(large, module.weight.shape, small, stride=2, padding=2)  # type: ignore[no-untyped-call]


def enlarging(x: Tensor, weight: Tensor, bias: Tensor | None) -> Call:
    """The convolution inside `latentaug.vae.convolutions.enlarge`."""
    kernel, biases = subpixel_kernel(weight, bias)
    stride = kernel.shape[-1] - 2
    return lambda: functional.conv2d(x, kernel, biases, stride=stride, padding=1)
