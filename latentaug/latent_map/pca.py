"""The plane on which latents spread most: principal component analysis by the eigenvectors of the covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AXES = 2


@dataclass(frozen=True)
class Plane:
    """The two directions in which latents spread most. A latent z lies at `components @ (z - mean)`.

    Attributes:
        mean: mean of the latents, float64 [latent_dim].
        components: unit vectors, float64 [2, latent_dim]; a row is zero if the latents have no such direction.
        explained: part of the whole variance along each component, float64 [2], 0..1.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    explained: NDArray[np.float64]

    def project(self, latents: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map latents [n, latent_dim] to their places on the plane, float64 [n, 2]."""
        placed: NDArray[np.float64] = (latents - self.mean) @ self.components.T
        return placed


def sample(n: int, limit: int) -> NDArray[np.int64]:
    """Choose at most `limit` of n rows, int64, in a random order that never changes.

    A larger sample begins with the smaller ones.
    """
    return np.random.default_rng(0).permutation(n)[:limit]


def principal_plane(latents: NDArray[np.float32]) -> Plane:
    """Find the plane of latents, [n, latent_dim] with at least one row.

    The same latents give the same plane. Each component has the direction in which its largest entry is positive.
    """
    mean = latents.mean(axis=0, dtype=np.float64)  # [latent_dim]
    centred = latents - mean  # [n, latent_dim]
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(latents))  # ascending
    width = min(AXES, len(mean))
    found = vectors[:, ::-1][:, :width].T  # [width, latent_dim], the widest first
    largest = found[np.arange(width), np.abs(found).argmax(axis=1)]
    components = np.zeros((AXES, len(mean)))
    components[:width] = found * np.where(largest < 0, -1, 1)[:, None]
    explained = np.zeros(AXES)
    total = variances.sum()
    if total > 0:
        explained[:width] = np.clip(variances[::-1][:width] / total, 0, 1)
    return Plane(mean, components, explained)
