"""The sub-pixel convolution: `nn.ConvTranspose2d` by another way."""

import pytest
import torch
from torch import nn

from latentaug.subpixel import SubpixelConvTranspose2d

SIZES = [((4, 4), (1, 1)), ((5, 3), (0, 0)), ((7, 6), (0, 1)), ((1, 2), (1, 0))]


def _pair(padding: tuple[int, int]) -> tuple[nn.ConvTranspose2d, SubpixelConvTranspose2d]:
    torch.manual_seed(0)
    plain = nn.ConvTranspose2d(8, 3, 5, stride=2, padding=2, output_padding=padding)
    subpixel = SubpixelConvTranspose2d(8, 3, padding)
    subpixel.load_state_dict(plain.state_dict())
    return plain, subpixel


@pytest.mark.parametrize(("size", "padding"), SIZES)
def test_it_gives_the_numbers_of_a_transposed_convolution(size: tuple[int, int], padding: tuple[int, int]) -> None:
    plain, subpixel = _pair(padding)
    x = torch.randn(2, 8, *size)
    assert subpixel(x).shape == plain(x).shape
    torch.testing.assert_close(subpixel(x), plain(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("size", "padding"), SIZES)
def test_it_gives_the_gradients_of_a_transposed_convolution(size: tuple[int, int], padding: tuple[int, int]) -> None:
    gradients = []
    for layer in _pair(padding):
        x = torch.randn(2, 8, *size, generator=torch.Generator().manual_seed(1)).requires_grad_()
        layer(x).square().mean().backward()
        gradients.append((x.grad, layer.weight.grad, layer.bias.grad))
    for plain, subpixel in zip(*gradients, strict=True):
        torch.testing.assert_close(subpixel, plain, atol=1e-5, rtol=0)
