"""The frozen VAE: the numbers of the plain network, whatever its size."""

import pytest
import torch
from torch import Tensor, nn

from latentaug.vae.architectures import VAE, Architecture, pixels
from latentaug.vae.inference import FrozenVAE, grey_levels

SHAPES = [(28, 28, 1), (8, 8, 1), (17, 23, 3), (70, 70, 1), (31, 30, 3)]


def random_vae(shape: tuple[int, int, int]) -> VAE:
    torch.manual_seed(0)
    return VAE(Architecture(*shape, latent_dim=6, hidden=64)).eval()


def plain_decode(vae: VAE, latents: Tensor) -> Tensor:
    """Decode with PyTorch's own transposed convolutions."""
    x = latents
    for layer in vae.decoder:
        x = nn.ConvTranspose2d.forward(layer, x) if isinstance(layer, nn.ConvTranspose2d) else layer(x)
    return x.sigmoid().permute(0, 2, 3, 1)


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_it_gives_the_numbers_of_the_plain_network(shape: tuple[int, int, int]) -> None:
    vae, images = random_vae(shape), torch.randint(0, 256, (9, *shape), dtype=torch.uint8)
    frozen, latents = FrozenVAE(vae), torch.randn(9, 6)
    for ours, plain in zip(frozen.encode(images), vae.encode(pixels(images)), strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(frozen.decode(latents), plain_decode(vae, latents), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_bfloat16_moves_no_latent_and_images_by_little(shape: tuple[int, int, int]) -> None:
    vae, images = random_vae(shape), torch.randint(0, 256, (32, *shape), dtype=torch.uint8)
    exact, half = FrozenVAE(vae), FrozenVAE(vae, torch.bfloat16)
    mean = exact.encode(images)[0]
    assert torch.equal(half.encode(images)[0], mean)
    assert half.decode(mean).dtype == torch.float32
    levels = grey_levels(exact.decode(mean)).int() - grey_levels(half.decode(mean)).int()
    assert levels.abs().max() <= 4
    assert levels.abs().float().mean() < 1


@pytest.mark.parametrize("shape", [*SHAPES, (9, 8, 3)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_an_image_is_rendered_in_the_grey_levels_nearest_to_it(
    shape: tuple[int, int, int], precision: torch.dtype
) -> None:
    frozen, latents = FrozenVAE(random_vae(shape), precision), torch.randn(5, 6)
    assert torch.equal(frozen.render(latents), grey_levels(frozen.decode(latents)))


def test_training_on_leaves_it_as_it_was() -> None:
    vae, latents = random_vae((8, 8, 1)), torch.randn(3, 6)
    frozen = FrozenVAE(vae)
    before = frozen.decode(latents)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
    assert torch.equal(frozen.decode(latents), before)


def test_grey_levels_are_the_nearest() -> None:
    assert grey_levels(torch.tensor([0, 0.1 / 255, 0.9 / 255, 254.6 / 255, 1])).tolist() == [0, 0, 1, 255, 255]
