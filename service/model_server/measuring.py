"""The quality of new images beside those that a model was trained on, whose latents lie beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.spreading import Told
from latentaug.evaluation.features import Features
from latentaug.evaluation.quality import Real, compare, left_out
from latentaug.evaluation.quality_report import NUMBERS
from service.model_server.loaded import LoadedModel, Outputs

MOST_REAL = 20_000
"""Most training images that a request is measured by, so that the first one does not take long."""
NONE = -1.0
"""Stands for a share that there is not, as there are no labels."""
OUTPUTS = {
    **{name: "INT64" if kind is int else "FP64" for name, kind in NUMBERS.items()},
    "nearest": "INT64",
    "distance": "FP32",
    "image_density": "FP32",
}
"""The datatype of each output. Each of the numbers has one row; `nearest`, the row of the training image that an image
is nearest to, and what follows have one for each image."""
_PREPARED = 0.5


def measure(model: LoadedModel, labels: NDArray[np.int64] | None, encoded: Outputs, tell: Told) -> Outputs:
    """Set new images beside the training images.

    Args:
        model: the model that encoded both. What is prepared of its training images is kept with it.
        labels: of the new images, int64 [m], numbers of the model's classes or -1; or None.
        encoded: has their `latents`, float32 [m, latent_dim].
        tell: told how far it has come; what it raises ends the work.

    Raises:
        TooFewImages: the model was trained on fewer than two images.
    """
    if model.beside is None:
        training = Features(model.projected.latents, model.projected.labels)
        real = Real(training, MOST_REAL)  # to its end, whoever waits for it, as it is kept for whoever asks next
        model.beside = real, left_out(real)
    tell(_PREPARED, "prepared")
    real, unseen = model.beside
    new = Features(encoded["latents"], labels)
    quality, details = compare(
        real, new, unseen, progress=lambda done: tell(_PREPARED + (1 - _PREPARED) * done, "comparing")
    )
    numbers = {name: getattr(quality, name) for name in NUMBERS}
    return {
        **{name: np.array([NONE if number is None else number]) for name, number in numbers.items()},
        "nearest": model.projected.rows[details.nearest],
        "distance": details.distance,
        "image_density": details.density,
    }
