"""Latents placed on a plane by UMAP, in a process of its own, because its libraries change how numbers are rounded."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from latentaug.runtime.lifeline import tied


def embed(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place latents [n, latent_dim], with n at least `umap.FEWEST`, on a plane: float32 [n, 2].

    The same latents give the same places on the same machine.

    Raises:
        CalledProcessError: umap-learn is not installed or fails; the log has its messages.
    """
    given = io.BytesIO()
    np.save(given, latents)
    command = tied([sys.executable, "-m", "latentaug.latent_map.umap"])
    done = subprocess.run(command, input=given.getvalue(), stdout=subprocess.PIPE, check=True)  # noqa: S603 (our own)
    places: NDArray[np.float32] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return places
