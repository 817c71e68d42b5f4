"""The quality report of a job that makes new images: how like the real ones they are, and whether they are copies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import Dataset
from latentaug.evaluation.features import Features
from latentaug.evaluation.quality import FEWEST, MOST_NEW, Real, compare, drawn, held_out, left_out
from latentaug.evaluation.quality_report import report
from latentaug.evaluation.quality_sheet import quality_sheet
from latentaug.vae.codec import Codec
from worker.work import Work

MOST_VALUES = 2**27
"""Most values of the pixels that are encoded to be measured, so that large pictures take no longer than small ones."""
TOLD = {"sentence", "warning", "density", "coverage", "nearer_than_unseen", "near_copies", "label_agreement"}
"""What the job's record says of the report."""

Rows = NDArray[np.int64]
Pixels = NDArray[np.uint8]
STAGE = "measuring quality"


@dataclass(frozen=True)
class Made:
    """New images and what they were made from.

    Attributes:
        images: uint8 [m, h, w, c].
        labels: int64 [m], `UNLABELLED` for an image without one; None where no image has one.
        source: int64 [m], the place of each one's source among the training images.
    """

    images: Pixels
    labels: Rows | None
    source: Rows


def measure(
    work: Work,
    at: float,
    codec: Codec,
    dataset: Dataset,
    rows: Rows,
    latents: NDArray[np.float32],
    made: Made,
    *,
    by_alpha: bool = True,
) -> dict[str, Any] | None:
    """Measure new images and write `quality.json` and `quality.png`; return what the job's record says of them.

    Args:
        work: the job.
        at: how far the job has come, 0..1.
        codec: of the model whose latents tell what is alike.
        dataset: holds the training images and, in its other parts, those that tell what is usual.
        rows: of the training images in the data set, int64 [n].
        latents: of the training images, float32 [n, latent_dim].
        made: the new images.
        by_alpha: as for `report`.

    Returns:
        None where there is nothing to measure: no new image, or fewer than two training images.
    """
    work.report(at, STAGE, final=True)
    if not len(made.images) or len(rows) < FEWEST:
        return None

    def tell(_: float) -> None:
        work.report(at, STAGE)

    most = min(MOST_NEW, max(1, MOST_VALUES // math.prod(made.images.shape[1:])))
    real = Real(_features(dataset, rows, latents), progress=tell)
    others = np.setdiff1d(np.concatenate([dataset.validation, dataset.test]), rows)
    others = others[drawn(len(others), most)]
    if len(others):
        unseen = held_out(real, _features(dataset, others, codec.encode(dataset.images[others])), tell)
    else:
        unseen = left_out(real)
    chosen = drawn(len(made.images), most)
    images, labels = made.images[chosen], None if made.labels is None else made.labels[chosen]
    quality, details = compare(real, Features(codec.encode(images), labels), unseen, made.source[chosen], tell)
    told = report(quality, by_alpha=by_alpha)
    work.put("quality.json", told.model_dump_json(indent=1))
    work.put("quality.png", quality_sheet(images, lambda origin: dataset.images[rows[origin]], labels, details, told))
    return told.model_dump(include=TOLD)


def _features(dataset: Dataset, rows: Rows, latents: NDArray[np.float32]) -> Features:
    return Features(latents, None if dataset.labels is None else dataset.labels[rows])
