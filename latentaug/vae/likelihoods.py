"""The parts of the loss (equation 6): how well an image is reconstructed, and how far its latent is from the prior.

Each is in nats per image, averaged over a batch of images float32 [n, c, h, w] in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from latentaug.imaging.pixels import ROUNDING

Likelihood = Callable[[Tensor, Tensor], Tensor]
"""Maps images and the network's output, float32 [n, c, h, w] each, to the reconstruction term, a scalar."""


class Loss(NamedTuple):
    """The parts of the loss, each a scalar averaged over the batch."""

    total: Tensor
    reconstruction: Tensor
    divergence: Tensor


def bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """The paper's: binary cross entropy of logits against grey levels in 0..1, summed over pixels and channels."""
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def gaussian(x: Tensor, images: Tensor) -> Tensor:
    """Gaussian, with the one variance for all pixels that suits the batch best (Rybkin et al., 2021).

    That variance is the mean squared error itself, so the weight of the divergence needs no tuning: the better the
    images get, the more each error counts.
    """
    return nats((images - x).square().mean(), x[0].numel())


def nats(mse: Tensor, values: int) -> Tensor:
    """What a mean squared error comes to for images of so many values: half a log variance each, and a constant."""
    return 0.5 * values * ((mse + ROUNDING).log() + math.log(2 * math.pi) + 1)


def loss(
    x: Tensor, output: Tensor, mean: Tensor, log_variance: Tensor, beta: float, likelihood: Likelihood = bernoulli
) -> Loss:
    """Negative variational lower bound (equation 6), in nats: reconstruction + beta * divergence.

    Divergence is KL(q(z|x) || N(0, 1)) in closed form, summed over latent dimensions and averaged over the batch.

    Args:
        x: the images, float32 [n, c, h, w] in 0..1.
        output: of the network, float32 [n, c, h, w]: logits for the Bernoulli likelihood, images for the Gaussian.
        mean: float32 [n, latent_dim].
        log_variance: float32 [n, latent_dim].
        beta: weight of the divergence; 1 in the paper.
        likelihood: the network's.
    """
    reconstruction = likelihood(x, output)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(x)
    return Loss(reconstruction + beta * divergence, reconstruction, divergence)
