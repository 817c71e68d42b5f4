"""The VAE: shapes, loss and bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from latentaug.errors import InvalidInput, MalformedInput
from latentaug.vae.architectures import VAE, Architecture, pixels
from latentaug.vae.likelihoods import loss
from latentaug.vae.networks import from_bytes, to_bytes

DIGITS = Architecture(8, 8, 1, latent_dim=3, hidden=32)


def _vae(architecture: Architecture = DIGITS) -> VAE:
    torch.manual_seed(0)
    return VAE(architecture).eval()


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (70, 70, 1), (32, 32, 3), (9, 11, 3), (128, 13, 1)]
)
def test_an_image_comes_back_in_its_own_size(height: int, width: int, channels: int) -> None:
    vae = _vae(Architecture(height, width, channels, latent_dim=5, hidden=16))
    x = torch.rand(2, channels, height, width)
    mean, log_variance = vae.encode(x)
    images = vae.decode(mean)
    assert mean.shape == log_variance.shape == (2, 5)
    assert images.shape == x.shape
    assert 0 <= images.min() <= images.max() <= 1


def test_it_has_the_layers_of_the_paper() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in VAE(Architecture(28, 28, 1, 20)).state_dict().items()}
    weights = [shape for name, shape in shapes.items() if name.endswith("weight")]
    assert weights == [
        (16, 1, 5, 5),
        (8, 16, 5, 5),
        (1024, 8 * 7 * 7),
        (20, 1024),
        (20, 1024),
        (1024, 20),
        (8 * 7 * 7, 1024),
        (8, 16, 5, 5),
        (16, 1, 5, 5),
    ]


def test_its_layers_have_names() -> None:
    layers = {name.rpartition(".")[0] for name in VAE(DIGITS).state_dict()}
    assert layers == {
        "encoder.conv_1",
        "encoder.conv_2",
        "encoder.hidden",
        "mean",
        "log_variance",
        "decoder.hidden",
        "decoder.grid",
        "decoder.transposed_conv_1",
        "decoder.transposed_conv_2",
    }


@pytest.mark.parametrize(
    "values", [(7, 8, 1, 2), (8, 129, 1, 2), (8, 8, 2, 2), (8, 8, 1, 0), (8, 8, 1, 513), (8, 8, 1, 2, 0)]
)
def test_an_architecture_out_of_range_is_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput):
        Architecture(*values)


def test_pixels_go_from_grey_levels_to_the_unit_range() -> None:
    images = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)  # [1, 1, 1, 3]
    assert pixels(images).shape == (1, 3, 1, 1)
    assert pixels(images).flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_the_loss_sums_over_pixels_and_dimensions_and_averages_over_the_batch() -> None:
    x, logits = torch.full((2, 1, 3, 4), 0.25), torch.zeros(2, 1, 3, 4)
    mean, log_variance = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.zeros(2, 2)
    parts = loss(x, logits, mean, log_variance, beta=4.0)
    assert float(parts.reconstruction) == pytest.approx(12 * np.log(2))
    assert float(parts.divergence) == pytest.approx((0.5 + 2.0) / 2)
    assert float(parts.total) == pytest.approx(12 * np.log(2) + 4 * 1.25)


def test_the_divergence_is_torchs_own() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    x = torch.zeros(5, 1, 8, 8)
    torch.testing.assert_close(loss(x, x, mean, log_variance, beta=1).divergence, expected)


def test_the_draw_is_the_mean_and_the_noise_times_the_deviation() -> None:
    vae, x = _vae(), torch.rand(4, 1, 8, 8)
    noise = torch.randn(4, DIGITS.latent_dim)
    logits, mean, log_variance = vae(x, noise)
    torch.testing.assert_close(logits, vae.output(mean + (0.5 * log_variance).exp() * noise))
    torch.testing.assert_close(vae(x, torch.zeros_like(noise))[0], vae.output(mean))


def test_bytes_give_the_same_model_and_the_same_bytes() -> None:
    vae, x = _vae(), torch.rand(4, 1, 8, 8)
    data = to_bytes(vae)
    again = from_bytes(DIGITS, data)
    assert torch.equal(again.encode(x)[0], vae.encode(x)[0])
    assert to_bytes(again) == data


def test_a_model_saved_when_layers_had_numbers_is_still_read() -> None:
    """The file holds weights as they were once written, and what they made of one image."""
    saved = load((Path(__file__).parent / "numbered_layers.safetensors").read_bytes())
    images, mean, decoded = (saved.pop(name) for name in ("images", "expected_mean", "expected_images"))
    assert "encoder.5.weight" in saved
    vae = from_bytes(Architecture(8, 8, 1, latent_dim=3, hidden=6), save(saved))
    torch.testing.assert_close(vae.encode(images)[0], mean)
    torch.testing.assert_close(vae.decode(mean), decoded)
    assert "encoder.hidden.weight" in load(to_bytes(vae))


def test_loading_leaves_the_callers_random_numbers_alone() -> None:
    data = to_bytes(_vae())
    before = torch.get_rng_state()
    from_bytes(DIGITS, data)
    assert torch.equal(torch.get_rng_state(), before)


def test_bytes_that_are_not_this_architectures_weights_are_refused() -> None:
    data = to_bytes(_vae())
    weights = load(data)
    others = [
        b"",
        b"\x80\x04pickle",
        data[:-10],
        save({name: tensor for name, tensor in weights.items() if name != "mean.bias"}),
        save({**weights, "more": torch.zeros(1)}),
        save({**weights, "mean.bias": torch.zeros(4)}),
        save({**weights, "mean.bias": torch.zeros(3, dtype=torch.float64)}),
        save({**weights, "mean.bias": torch.full((3,), float("nan"))}),
    ]
    for bad in others:
        with pytest.raises(MalformedInput):
            from_bytes(DIGITS, bad)


@pytest.mark.parametrize("levels", [[0.13], [0.0], [0.2, 0.5, 0.9]])
def test_training_begins_close_to_the_mean_image(levels: list[float]) -> None:
    torch.manual_seed(0)
    vae = VAE(Architecture(28, 28, len(levels), 20))
    vae.initialise(torch.tensor(levels))
    decoded = vae.decode(torch.randn(50, 20))  # [50, c, 28, 28]
    assert torch.allclose(decoded.mean((0, 2, 3)), torch.tensor(levels).clamp(0.01, 0.99), atol=0.02)


def test_training_begins_with_every_channel_and_unit_alive() -> None:
    torch.manual_seed(0)
    vae = VAE(Architecture(28, 28, 1, 20))
    vae.initialise(torch.tensor([0.13]))
    x, z = torch.rand(200, 1, 28, 28), torch.randn(200, 20)
    for layers, signal in ((vae.encoder, x), (vae.decoder, z)):
        for layer in layers:
            signal = layer(signal)
            if isinstance(layer, torch.nn.ReLU):
                assert (signal > 0).any(0).float().mean() > 0.95
