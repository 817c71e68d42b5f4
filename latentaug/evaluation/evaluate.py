"""The question of section 4: does a classifier trained with new samples classify unseen images better?

Every arm of a draw starts from the same few labelled images and is measured on the same test images. The VAEs have been
trained on the training part without labels. Tuning and neighbours see nothing but the labelled images of the draw.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

import numpy as np
import sklearn
import torch

from latentaug.evaluation import classifiers, cnn, summary
from latentaug.evaluation.design import Parts, Scope
from latentaug.evaluation.result import Result, Sizes
from latentaug.evaluation.training_sets import Projection
from latentaug.evaluation.work_units import Cell, Setting, Unit, measure, units
from latentaug.options import Design
from latentaug.vae.networks import Network


def evaluate(
    parts: Parts,
    vaes: Mapping[int, Network],
    design: Design,
    *,
    on_cell: Callable[[int, int, Cell], None] | None = None,
    done: Sequence[Cell] = (),
    device: str = "cpu",
) -> Result:
    """Measure all units, one after the other. The same seed gives the same result.

    Args:
        parts: the data set.
        vaes: by latent dimension, trained on `parts.training.images`, which have no labels.
        design: what to measure.
        on_cell: called with (cells done, cells in all, the cell) after each; may raise to stop.
        done: cells of an earlier run with the same arguments, which are not measured again.
        device: where VAEs, MLPs and CNNs run.

    Raises:
        TooFewImages: fewer labelled images than classes, more than there are, or no test image.
        InvalidInput: a single class, no VAE, or one of other images.
    """
    Scope.of(parts, design)  # refuses what cannot be measured before anything is computed
    images = parts.training.images
    projections = {dim: Projection.of(vae, images, parts.test_images, device) for dim, vae in vaes.items()}
    setting = Setting.of(parts, projections, design, device)
    grid = units(design, list(vaes))
    total = sum(len(setting.arms(unit)) for unit in grid)
    cells = [cell for unit in grid for cell in setting.known(unit, done)]
    for unit in grid:
        for cell in measure(setting, unit, done):
            cells.append(cell)
            if on_cell is not None:
                on_cell(len(cells), total, cell)
    return conclude(parts, list(vaes), design, cells, device=device)


def conclude(
    parts: Parts,
    latent_dims: Sequence[int],
    design: Design,
    cells: Iterable[Cell],
    *,
    failures: Mapping[Unit, str] | None = None,
    device: str = "cpu",
) -> Result:
    """Sum up the cells of all units, whoever measured them and in whichever order.

    Args:
        parts: the data set.
        latent_dims: of the VAEs.
        design: what was measured.
        cells: of every unit. Those of another design are left out, and some may be missing.
        failures: why the missing cells of a unit are missing, in a sentence for the caller.
        device: where VAEs, MLPs and CNNs ran.
    """
    scope = Scope.of(parts, design)
    keys = product(range(design.draws), scope.arms(latent_dims), design.classifiers)
    by_key = {(cell.draw, cell.setup, cell.classifier): cell for cell in cells}
    missing = [f"{unit.name} was not measured to its end: {why}" for unit, why in (failures or {}).items()]
    measured = [by_key[key] for key in keys if key in by_key]
    labelled = int(scope.sizes.sum())
    return Result(
        design,
        Sizes(
            train=len(parts.train_labels),
            test=len(parts.test_labels),
            classes=int((scope.sizes > 0).sum()),
            labelled=labelled,
            children=scope.children,
            pool=scope.pool,
            newly_labelled=min(design.pool_images, scope.pool),
        ),
        rows=summary.rows(measured),
        cells=measured,
        warnings=[*scope.warnings, *missing],
        mlp_steps=classifiers.mlp_steps(labelled),
        cnn_steps=cnn.steps(labelled) if "cnn" in design.classifiers else None,
        device=device,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sklearn": sklearn.__version__,
        "svm": classifiers.SVM_LIBRARY,
        "numpy": np.__version__,
    }
