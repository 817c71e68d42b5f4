"""An evaluation's figures: those of the paper, from one of its VAEs, and curves over several evaluations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import NotFound
from latentaug.evaluation.paper_figures import generation, interpolations, reconstructions
from latentaug.evaluation.plots import accuracy_by_labels_plot, gain_by_copies_plot
from latentaug.evaluation.result import Result
from worker.grid import Grid

Rows = NDArray[np.int64]

SHOWN_CLASSES = 10
"""Images of at most so many classes are shown, chosen evenly from all."""


def figures(grid: Grid, latent_dim: int | None, result: Result) -> dict[str, bytes]:
    """All figures that have something to show: PNG by the name that the API has for it.

    Args:
        grid: the evaluation.
        latent_dim: of the VAE whose images are shown; None where there is none.
        result: of the evaluation; curves join it with those of the jobs `grid.params.beside`.
    """
    shown = {} if latent_dim is None else _paper_figures(grid, latent_dim)
    return shown | _curves(result, _beside(grid))


def _paper_figures(grid: Grid, latent_dim: int) -> dict[str, bytes]:
    """Figures 2 and 3 from validation images, or test images where there are none; figure 7 from training images.

    The neighbours of figure 7 are among the images that it shows.
    """
    dataset, design = grid.dataset, grid.design
    assert dataset.labels is not None  # noqa: S101 (`Grid.of` refuses it)
    projection = grid.projections([latent_dim])[latent_dim]
    validation = dataset.validation[dataset.labels[dataset.validation] != UNLABELLED]
    unseen = validation if len(validation) else dataset.test
    ends = unseen[_spread(_groups(dataset.labels[unseen], 1))]
    drawn = {"reconstructions": reconstructions(dataset.images[ends], projection.codec)}
    if len(ends) > 1:
        pairs = ends[: len(ends) // 2 * 2].reshape(-1, 2)
        drawn["interpolations"] = interpolations(dataset.images[pairs], projection.codec)
    children = design.k
    train = dataset.labelled_train
    sources = train[_spread(_groups(dataset.labels[train], children + 1))]
    if len(sources):
        drawn["generation"] = generation(
            dataset.images[sources],
            dataset.labels[sources],
            projection.codec,
            projection.sigma,
            alpha=min(design.alpha, 1.0),  # an evaluation of noise alone may go further
            k=children,
            seed=design.seed,
        )
    return drawn


def _groups(labels: NDArray[np.int64], size: int) -> list[Rows]:
    """The first `size` rows of each class that has as many."""
    groups = (np.flatnonzero(labels == label)[:size] for label in np.unique(labels))
    return [rows for rows in groups if len(rows) == size]


def _spread(groups: list[Rows]) -> Rows:
    """Rows of at most `SHOWN_CLASSES` groups, evenly chosen."""
    chosen = np.unique(np.linspace(0, len(groups) - 1, min(SHOWN_CLASSES, len(groups))).round().astype(int))
    return np.concatenate([np.empty(0, np.int64), *(groups[i] for i in chosen)])


def _beside(grid: Grid) -> list[Result]:
    """Results of the evaluations that share the curves, without those that are no longer stored."""
    found = []
    for job in grid.params.beside:
        try:
            found.append(Result.from_json(grid.work.result_of(job)))
        except NotFound:
            continue
    return [result for result in found if result.dataset_checksum == grid.dataset.checksum]


def _curves(result: Result, others: list[Result]) -> dict[str, bytes]:
    """A curve over the labelled images and one over the copies, where two evaluations differ in that alone."""
    drawn = {}
    for name, varied, fixed, plot in (
        ("accuracy-by-labels", "labelled", "children", accuracy_by_labels_plot),
        ("gain-by-copies", "children", "labelled", gain_by_copies_plot),
    ):
        alike = [other for other in others if getattr(other.sizes, fixed) == getattr(result.sizes, fixed)]
        by_size = {getattr(each.sizes, varied): each for each in [*alike, result]}
        if len(by_size) > 1:
            drawn[name] = plot(list(by_size.values()))
    return drawn
