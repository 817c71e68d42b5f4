"""The two convolutions of stride 2: `nn.Conv2d` and `nn.ConvTranspose2d` by another way."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from latentaug.vae.convolutions import StridedConv2d, SubpixelConvTranspose2d

Pair = tuple[nn.Module, nn.Module]
SIZES = [((4, 4), (1, 1)), ((5, 3), (0, 0)), ((7, 6), (0, 1)), ((1, 2), (1, 0)), ((7, 7), (1, 1))]
CHANNELS = [(8, 16), (16, 1), (16, 3), (1, 16)]


def _up(n_in: int, n_out: int, padding: tuple[int, int]) -> Pair:
    plain = nn.ConvTranspose2d(n_in, n_out, 5, stride=2, padding=2, output_padding=padding)
    return plain, SubpixelConvTranspose2d(n_in, n_out, padding)


def _down(n_in: int, n_out: int, _: tuple[int, int]) -> Pair:
    return nn.Conv2d(n_in, n_out, 5, stride=2, padding=2), StridedConv2d(n_in, n_out)


def _results(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The output and the gradients of input, weight and bias."""
    x = x.clone().requires_grad_()
    output = layer(x)
    output.square().mean().backward()
    return [output, x.grad, layer.weight.grad, layer.bias.grad]


@pytest.mark.parametrize("pair", [_up, _down])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("size", "padding"), SIZES)
def test_it_gives_the_numbers_and_gradients_of_the_plain_layer(
    pair: Callable[..., Pair], channels: tuple[int, int], size: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    plain, ours = pair(*channels, padding)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, channels[0], *size)
    for expected, result in zip(_results(plain, x), _results(ours, x), strict=True):
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(layout: torch.memory_format) -> None:
    x = torch.randn(2, 8, 4, 6)
    layer = SubpixelConvTranspose2d(8, 1, (1, 1))
    assert torch.equal(layer(x.contiguous(memory_format=layout)), layer(x))
