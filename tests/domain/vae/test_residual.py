"""The residual network: what it begins as, what its grid is, and that it learns."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from latentaug.errors import InvalidInput
from latentaug.options import TrainingOptions
from latentaug.vae.architectures import Architecture, chosen, pixels
from latentaug.vae.likelihoods import gaussian, loss
from latentaug.vae.networks import from_bytes, to_bytes, untrained
from latentaug.vae.residual import Grid, ResidualVAE
from latentaug.vae.training import fit
from latentaug.vae.variation import CHANCES, vary


def gradients(n: int, height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colour images: random ramps and a random blob each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]  # type: ignore[misc]
    slopes = rng.uniform(-0.4, 0.4, (2, n, channels, 1, 1))
    centres, colours = rng.uniform(0.2, 0.8, (2, n, 1, 1, 1)), rng.uniform(-0.4, 0.4, (n, channels, 1, 1))
    blobs = np.exp(-((x - centres[0]) ** 2 + (y - centres[1]) ** 2) / 0.02)
    images = 0.5 + slopes[0] * (x - 0.5) + slopes[1] * (y - 0.5) + colours * blobs
    return np.rint(255 * images.clip(0, 1)).astype(np.uint8).transpose(0, 2, 3, 1)


def wanderers(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """A bright blob somewhere in each image of 16x16: a curved surface of two dimensions, far from any flat one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:1:16j, 0:1:16j]  # type: ignore[misc]
    centres = rng.uniform(0.2, 0.8, (2, n, 1, 1))
    images = np.exp(-((x - centres[0]) ** 2 + (y - centres[1]) ** 2) / 0.03)
    return np.rint(255 * images).astype(np.uint8)[..., None].repeat(3, axis=3)


def network(height: int, width: int, channels: int, latent_dim: int = 4) -> ResidualVAE:
    images = gradients(40, height, width, channels)
    made = untrained(Architecture(height, width, channels, latent_dim, name="residual"), images, 0)
    assert isinstance(made, ResidualVAE)
    return made.eval()


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (28, 28), (64, 40), (96, 128), (129, 97), (256, 256), (8, 256)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_takes_and_gives_images_of_every_size(size: tuple[int, int], channels: int) -> None:
    vae = network(*size, channels)
    x = pixels(torch.tensor(gradients(2, *size, channels, seed=1)))
    mean, log_variance = vae.encode(x)
    assert mean.shape == log_variance.shape == (2, 4)
    assert vae.decode(mean).shape == x.shape


@pytest.mark.parametrize("side", range(8, 257))
def test_the_padded_grid_holds_the_image_in_whole_places_of_every_stage(side: int) -> None:
    grid = Grid.of(side, side)
    assert 0 <= grid.patch * grid.height - side < grid.patch * 2 ** (grid.stages - 1)
    assert grid.height == grid.coarsest[0] * 2 ** (grid.stages - 1)
    assert 3 <= grid.stages <= 5


def test_it_begins_as_the_best_linear_model_of_small_copies_of_the_images() -> None:
    images = gradients(60, 32, 48)
    vae = untrained(Architecture(32, 48, 3, 6, name="residual"), images, 0).eval()
    assert isinstance(vae, ResidualVAE)
    assert vae.in_use(vae.encode(pixels(torch.tensor(images)))[0].detach().numpy()) == 6
    x = pixels(torch.tensor(images))
    mean, log_variance = vae.encode(x)
    assert mean.mean(dim=0).abs().max() < 1e-4
    posterior = log_variance.exp().mean(dim=0)
    # A latent's variance over the images and its posterior variance make up the prior's, as in the linear model.
    prior = (mean.var(dim=0, correction=0) + posterior) / vae.scale.square()
    torch.testing.assert_close(prior, torch.ones(6), atol=0.05, rtol=0)
    rest = (vae.decode(mean) - x).square().mean()
    assert rest < 0.15 * (x - x.mean(dim=0)).square().mean()


def test_two_latents_are_as_far_apart_as_the_images_that_the_linear_model_makes_of_them() -> None:
    vae = network(32, 48, 3, latent_dim=5)
    z = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    small = vae.restore(z / vae.scale).detach()  # [30, small]
    ratio = torch.pdist(small) / torch.pdist(z)
    assert float(ratio.max() / ratio.min()) < 1.01


def test_varied_images_are_parts_of_their_own_mirrored_or_not() -> None:
    x = pixels(torch.tensor(gradients(4, 24, 32)))
    whole = torch.tensor([[0.0, 0.5, 0.5, 1.0]]).expand(4, CHANCES)
    torch.testing.assert_close(vary(x, whole), x)
    mirrored = torch.tensor([[0.0, 0.5, 0.5, 0.0]]).expand(4, CHANCES)
    torch.testing.assert_close(vary(x, mirrored), x.flip(3), atol=1e-5, rtol=0)
    corner = vary(x, torch.tensor([[1.0, 0.0, 0.0, 1.0]]).expand(4, CHANCES))
    torch.testing.assert_close(corner[:, :, 0, 0], x[:, :, 0, 0], atol=0.02, rtol=0)
    assert not torch.allclose(corner[:, :, -1, -1], x[:, :, -1, -1], atol=0.02)
    assert vary(x, torch.rand(4, CHANCES)).min() >= 0


def test_the_gaussian_likelihood_is_the_normal_density_with_the_variance_that_suits_best() -> None:
    torch.manual_seed(0)
    x, output = torch.rand(5, 3, 8, 8), torch.rand(5, 3, 8, 8)
    densities = [
        -torch.distributions.Normal(output, scale).log_prob(x).sum() / len(x) for scale in torch.linspace(0.3, 0.6, 301)
    ]
    assert gaussian(x, output) == pytest.approx(float(min(densities)), abs=1e-2)
    assert torch.isfinite(gaussian(x, x))


@pytest.mark.slow
def test_training_learns_what_no_linear_model_can_and_gives_the_same_bytes_each_time() -> None:
    train, validation = wanderers(200), wanderers(40, seed=1)
    options = TrainingOptions(epochs=12, batch_size=16, architecture="residual")
    first, again = (fit(train, validation, 4, options) for _ in range(2))
    assert to_bytes(first.vae) == to_bytes(again.vae)
    linear = untrained(first.vae.architecture, train, options.seed).eval()
    x = pixels(torch.tensor(validation))
    with torch.inference_mode():
        before = float((linear.decode(linear.encode(x)[0]) - x).square().mean())
        after = float((first.vae.decode(first.vae.encode(x)[0]) - x).square().mean())
    assert after < 0.2 * before
    assert after == pytest.approx(first.validation_mse, rel=1e-3)


def test_the_first_epochs_do_not_undo_the_linear_model() -> None:
    train, validation = gradients(120, 24, 32), gradients(30, 24, 32, seed=1)
    options = TrainingOptions(epochs=2, batch_size=16, architecture="residual")
    trained = fit(train, validation, 6, options)
    linear = untrained(trained.vae.architecture, train, options.seed).eval()
    x = pixels(torch.tensor(validation))
    with torch.inference_mode():
        before = float((linear.decode(linear.encode(x)[0]) - x).square().mean())
    assert trained.validation_mse < 1.03 * before


def test_training_resumes_exactly_with_its_averaged_weights() -> None:
    train, validation = gradients(60, 16, 16), gradients(20, 16, 16, seed=1)
    options = TrainingOptions(epochs=4, batch_size=16, architecture="residual")
    checkpoints: list[bytes] = []
    whole = fit(train, validation, 4, options, on_checkpoint=lambda make: checkpoints.append(make()))
    for checkpoint in checkpoints:
        resumed = fit(train, validation, 4, options, checkpoint=checkpoint)
        assert to_bytes(resumed.vae) == to_bytes(whole.vae)
        # The weights are those of the best epoch, which may come before the checkpoint; the losses tell of all epochs.
        assert [epoch.train_loss for epoch in resumed.history] == [epoch.train_loss for epoch in whole.history]


def test_weights_survive_the_way_through_bytes() -> None:
    vae = network(16, 24, 3)
    again = from_bytes(vae.architecture, to_bytes(vae))
    z = torch.randn(3, 4)
    assert torch.equal(again.decode(z), vae.decode(z))


@pytest.mark.parametrize("levels", [0, 128, 255])
def test_images_that_are_all_one_grey_are_learnt_without_a_fault(levels: int) -> None:
    images = np.full((20, 16, 16, 3), levels, np.uint8)
    trained = fit(images, images[:4], 4, TrainingOptions(epochs=2, architecture="residual"))
    assert trained.validation_mse < 1e-4


def test_fewer_images_than_latent_dimensions_are_enough() -> None:
    images = gradients(5, 16, 16)
    trained = fit(images[:4], images[4:], 32, TrainingOptions(epochs=2, architecture="residual"))
    assert np.isfinite(trained.validation_mse)


@pytest.mark.parametrize(
    ("height", "width", "channels", "expected"),
    [(8, 8, 1, "paper"), (28, 28, 1, "paper"), (32, 32, 1, "paper"), (33, 28, 1, "residual"), (28, 28, 3, "residual")],
)
def test_auto_takes_the_papers_network_for_small_grey_images(
    height: int, width: int, channels: int, expected: str
) -> None:
    assert chosen("auto", height, width, channels) == expected
    assert chosen("paper", height, width, channels) == "paper"


def test_only_the_residual_network_takes_sides_above_128() -> None:
    Architecture(256, 200, 3, 8, name="residual")
    with pytest.raises(InvalidInput, match="residual"):
        Architecture(129, 100, 3, 8)
    with pytest.raises(InvalidInput, match="8 to 256"):
        Architecture(257, 100, 3, 8, name="residual")


def test_a_budget_of_seconds_ends_training_after_the_last_epoch_that_fits() -> None:
    images = gradients(64, 16, 16)
    for architecture in ("paper", "residual"):
        options = TrainingOptions(epochs=5000, patience=5000, max_seconds=1.0, architecture=architecture)
        trained = fit(images, images[:16], 4, options)
        assert len(trained.history) < 5000
        assert trained.history[-1].epochs == len(trained.history)
        assert sum(epoch.seconds for epoch in trained.history) < 2.0


def test_a_loss_of_either_likelihood_is_its_two_parts() -> None:
    x, output, mean, log_variance = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8), torch.randn(2, 3), torch.randn(2, 3)
    parts = loss(x, output, mean, log_variance, 0.5, gaussian)
    assert float(parts.total) == pytest.approx(float(parts.reconstruction + 0.5 * parts.divergence), rel=1e-6)
