"""Latents on a plane by UMAP (McInnes et al., 2018), where umap-learn is installed (extra `umap`).

It keeps neighbours together and clusters apart that a flat plane lays over one another; distances between clusters mean
nothing. It is computed when a model is trained, for it takes longer than a request may, and in a process of its own
(`python -m latentaug.latent_map.umap`, npy in and out), for what it brings along changes the rounding of all that
follows.
"""

from __future__ import annotations

import io
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec

import numpy as np

INSTALLED = find_spec("umap") is not None
FEWEST = 10
"""Latents below which there is no manifold to find."""
NEIGHBOURS = 15
"""UMAP's own default."""


def main() -> None:
    """Place the latents on standard input, float32 [n, latent_dim] with n at least `FEWEST`: float32 [n, 2] on output.

    The same latents give the same places on the same machine.
    """
    latents = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    near = min(NEIGHBOURS, len(latents) - 1)
    umap = import_module("umap").UMAP
    places = umap(n_neighbors=near, init="pca", random_state=0, n_jobs=1).fit_transform(latents)
    np.save(sys.stdout.buffer, np.asarray(places, np.float32))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of parts of UMAP that other packages would bring, and of numba's
    main()
