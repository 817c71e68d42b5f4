"""Arrays to latents and back, in batches, by the same numbers as the network's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentaug.vae.architectures import VAE, Architecture, pixels
from latentaug.vae.codec import BATCH, Codec


@pytest.fixture(scope="module")
def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(Architecture(9, 12, 3, 5, hidden=32)).eval()


@pytest.mark.parametrize("n", [0, 1, BATCH + 1])
def test_any_number_of_images_comes_back_as_the_network_has_them(vae: VAE, n: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (n, 9, 12, 3), np.uint8)
    codec = Codec(vae, "cpu")
    latents = codec.encode(images)
    decoded = codec.decode(latents)
    with torch.no_grad():
        means = vae.encode(pixels(torch.from_numpy(images)))[0]
        expected = vae.decode(means).permute(0, 2, 3, 1)
    assert (latents.dtype, decoded.dtype) == (np.float32, np.float32)
    assert np.allclose(latents, means, atol=1e-5)
    assert np.allclose(decoded, expected, atol=1e-5)
    assert np.allclose(codec.encode(images.astype(np.float32) / np.float32(255)), latents, atol=1e-6)
