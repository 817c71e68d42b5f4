"""Latents on a plane by UMAP (McInnes et al., 2018), where umap-learn is installed (extra `umap`).

It keeps neighbours together and clusters apart that a flat plane lays over one another; distances between clusters mean
nothing. It is computed when a model is trained, for it takes most of a minute.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

INSTALLED = find_spec("umap") is not None
FEWEST = 10
"""Latents below which there is no manifold to find."""
NEIGHBOURS = 15
"""UMAP's own default."""


def embed(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Places on the plane, float32 [n, 2], of latents [n, latent_dim] with n at least `FEWEST`.

    The same latents give the same places on the same machine.

    Raises:
        ModuleNotFoundError: umap-learn is not installed.
    """
    umap = import_module("umap").UMAP  # here, for its import alone takes seconds
    near = min(NEIGHBOURS, len(latents) - 1)
    found = umap(n_neighbors=near, init="pca", random_state=0, n_jobs=1).fit_transform(latents)
    return np.asarray(found, np.float32)
