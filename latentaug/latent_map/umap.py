"""Latents on a plane by UMAP (McInnes et al., 2018), where umap-learn is installed (extra `umap`).

UMAP keeps neighbours together, and separates clusters that a projection would lay over one another; distances between
clusters mean nothing. It takes longer than a request may, so it is computed when a model is trained. It runs in a
process of its own (`python -m latentaug.latent_map.umap`, npy in and out), because its libraries change how later
numbers are rounded.
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
"""Fewer latents than this have no manifold to find."""
NEIGHBOURS = 15
"""UMAP's own default."""


def main() -> None:
    """Read latents from standard input, float32 [n, latent_dim] with n at least `FEWEST`; write float32 [n, 2].

    The same latents give the same places on the same machine.
    """
    latents = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    near = min(NEIGHBOURS, len(latents) - 1)
    umap = import_module("umap").UMAP
    places = umap(n_neighbors=near, init="pca", random_state=0, n_jobs=1).fit_transform(latents)
    np.save(sys.stdout.buffer, np.asarray(places, np.float32))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # about UMAP's optional parts that are not installed, and numba's
    main()
