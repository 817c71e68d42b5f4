"""What unlabelled images are worth: labels spread over them, beside new images and beside other ways to label.

    python -m bench.labels --dataset mnist --labelled 100             10 draws: docs/results/labels-mnist-100.*
    python -m bench.labels --dataset digits --labelled 30 --draws 3   in a minute

In each draw, classifiers learn from the labelled images alone, from those with 9 affine copies of each, and from those
with images of the pool that are labelled by scikit-learn's label spreading on pixels, by self-training, or by ours,
without and with an affine copy of each image. The last is the recommended set. The evaluation is that of evaluate jobs
(`latentaug.evaluation`), with as many images of the pool for each classifier as it can use. What is interrupted goes on
where it was, from build/labels; delete that folder to measure anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from bench import kept, results
from latentaug.datasets import Dataset
from latentaug.evaluation.design import Parts
from latentaug.evaluation.new_labels import label_rows
from latentaug.evaluation.phrases import TITLES, points
from latentaug.evaluation.pool import SPREAD
from latentaug.evaluation.report import new_labels_table
from latentaug.evaluation.summary import Row, rows
from latentaug.evaluation.training_sets import SPREAD_AFFINE, Projection
from latentaug.evaluation.work_units import Cell, Setting
from latentaug.options import CLASSIFIERS, DEFAULT_CLASSIFIERS, POOL_COMPARATORS, Design, TrainingOptions

HOME = Path("build/labels")
COPIES = 9
"""Affine copies of each labelled image, where there are no other images."""
TITLED = {
    "none": "the labelled images alone",
    "affine": f"{COPIES} affine copies of each",
    "spread_pixels": "labels by scikit-learn's label spreading on pixels",
    "self_training": "labels by self-training",
    SPREAD: "labels by label spreading",
    SPREAD_AFFINE: "labels by label spreading, an affine copy of each image",
}


@dataclass(frozen=True)
class Study:
    """How a data set is measured.

    Attributes:
        latent_dim: of the VAE.
        training: of the VAE.
        pool_images: of the pool that get labels, at most, by classifier; where it is not named, all.
    """

    latent_dim: int
    training: TrainingOptions
    pool_images: dict[str, int] = field(default_factory=dict)


STUDIES = {
    # The time of an SVM grows with the square of its images, and that of the MLP with them; kNN can look at all.
    "mnist": Study(50, TrainingOptions(epochs=20, beta=0.5), {"svm": 12_000, "mlp": 16_000}),
    "digits": Study(20, TrainingOptions(epochs=100, beta=0.1)),
    "ujipen-v1": Study(50, TrainingOptions(epochs=100, beta=0.5)),
}
GOALS = {
    ("mnist", 100): {"svm": 97.5, "knn": 96.3, "mlp": 97.5},
    ("mnist", 1000): {"svm": 98.0, "knn": 96.6, "mlp": 98.0},
    ("digits", 30): {"svm": 93.0, "knn": 93.0},
}
"""Percent of the test images that the best of the two sets with spread labels is to classify rightly."""
PUBLISHED = {
    ("mnist", 100): "M1+M2 (Kingma et al., 2014) has 96.67 %, the Ladder network (Rasmus et al., 2015) 98.94 %.",
    ("mnist", 1000): "M1+M2 (Kingma et al., 2014) has 97.60 %.",
}
EVERY = 100_000


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure what is asked for, keep it in `home`, and write the page."""
    parser = argparse.ArgumentParser(description="Measure what labels spread over unlabelled images are worth.")
    parser.add_argument("--dataset", choices=STUDIES, default="digits")
    parser.add_argument("--labelled", type=int, default=100, help="labelled images of each draw")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--classifiers", nargs="+", choices=CLASSIFIERS, default=DEFAULT_CLASSIFIERS)
    parser.add_argument("--pool-images", nargs="+", default=[], help="that get labels, by classifier: svm=24000")
    parser.add_argument("--processes", type=int, default=1, help="that measure side by side, without a GPU")
    parser.add_argument("--device", default="cpu", help="where the VAE and the MLP train; cuda:0, or cpu")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    dataset = kept.read(asked.dataset)
    parts, study = Parts.of(dataset), STUDIES[asked.dataset]
    vae = kept.trained(home, dataset, study.latent_dim, study.training, asked.device)
    projections = {study.latent_dim: Projection.of(vae, parts.training.images, parts.test_images, "cpu")}
    cells: list[Cell] = []
    given = (each.partition("=") for each in asked.pool_images)
    most = study.pool_images | {name: int(count) for name, _, count in given}
    for classifier in asked.classifiers:
        images = most.get(classifier, EVERY)
        scope = kept.without_a_vae(parts, design_of(images, classifier, asked.labelled, asked.draws))
        setting = Setting(parts, scope, projections, asked.device)
        cells += kept.measured(home, setting, dataset.checksum, asked.processes)
    results.write(
        asked.results,
        "-".join(["labels", asked.dataset, str(asked.labelled), *_chosen(asked.classifiers)]),
        f"python -m bench.labels {' '.join(arguments)}".rstrip(),
        environment,
        summary(cells),
        page(cells, dataset, parts, study, asked.labelled),
    )


def design_of(images: int, classifier: str, labelled: int, draws: int) -> Design:
    """The evaluation of one classifier, with at most so many images of the pool."""
    return Design.model_validate(
        {
            "labelled": labelled,
            "draws": draws,
            "classifiers": [classifier],
            "spaces": ["image"],
            "methods": ["noise"],  # needs no neighbours, so that a class of 3 images is no bound; it is left out again
            "comparators": ["affine", *POOL_COMPARATORS],
            "combine": False,
            "k": COPIES,
            "pool_images": images,
        }
    )


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """What a page is written from, and each draw's numbers, as plain JSON."""
    return {
        "rows": [row.to_json() for row in rows(cells)],
        "new_labels": [asdict(row) for row in label_rows(cells)],
        "cells": [asdict(cell) for cell in cells],
    }


def page(cells: Sequence[Cell], dataset: Dataset, parts: Parts, study: Study, labelled: int) -> list[str]:
    """The page: the verdict on the goals, accuracy by training set, how right the new labels are, draw by draw."""
    summed = rows(cells)
    draws = len({cell.draw for cell in cells})
    pool = len(parts.training.images) - labelled
    return [
        f"# {dataset.name}: {labelled} labelled images and {pool:,} without a label",
        "",
        *goals(summed, dataset.name, labelled),
        "",
        *accuracies(summed),
        "",
        new_labels_table(label_rows(cells)),
        "",
        *draw_by_draw(cells),
        "",
        "## How it was measured",
        "",
        f"- {draws} draws of {labelled} labelled images, {len(parts.test_labels):,} test images that were used for "
        "nothing else, image space. Gains are over the labelled images alone, in points, with paired 95 % intervals; "
        "p values are corrected by Holm's rule over all training sets of a classifier.",
        f"- The VAE (Z = {study.latent_dim}, beta = {study.training.beta:g}) was trained once on the training part, "
        "without labels.",
        *(f"- {line}" for line in _taken(cells)),
        "- Classifiers are tuned by cross-validation on a training set's real images: the labelled ones, and the newly "
        "labelled ones by their new labels. The MLP's steps are 10 passes over as many, at least 200.",
        f"- Fitting and predicting took {kept.seconds(cells) / 60:.0f} minutes in all.",
    ]


def goals(summed: Sequence[Row], name: str, labelled: int) -> list[str]:
    """Whether the better of the sets with spread labels is as good as it was to be, and what others have published."""
    lines = []
    for classifier, goal in GOALS.get((name, labelled), {}).items():
        found = [row for row in summed if row.classifier == classifier and row.arm in (SPREAD, SPREAD_AFFINE)]
        if found:
            best = max(found, key=lambda row: row.accuracy)
            reached = "reached" if best.accuracy >= goal else f"missed by {goal - best.accuracy:.2f} points"
            lines.append(
                f"- **{TITLES[classifier]}**: {best.accuracy:.2f} %, {TITLED[best.arm]}. Goal {goal}: {reached}."
            )
    published = PUBLISHED.get((name, labelled))
    return [*lines, *(["", published] if published else [])]


def accuracies(summed: Sequence[Row]) -> list[str]:
    """One line for each training set, one column for each classifier."""
    classifiers = list(dict.fromkeys(row.classifier for row in summed))
    by_arm: dict[str, dict[str, Row]] = {}
    for row in summed:
        by_arm.setdefault(row.arm, {})[row.classifier] = row
    lines = [
        f"| training set | {' | '.join(f'{TITLES[name]}, %' for name in classifiers)} |",
        f"|---|{'---|' * len(classifiers)}",
    ]
    for arm in (arm for arm in TITLED if arm in by_arm):
        entries = [_entry(by_arm[arm].get(name)) for name in classifiers]
        lines.append(f"| {TITLED[arm]} | {' | '.join(entries)} |")
    return lines


def draw_by_draw(cells: Sequence[Cell]) -> list[str]:
    """Each draw's new labels and accuracies with them."""
    classifiers = list(dict.fromkeys(cell.classifier for cell in cells))
    lines = [
        "## Draw by draw, with label spreading",
        "",
        "Accuracies are without and with an affine copy of each image.",
        "",
        "| draw | labels right, % | expected, % (95 % interval) | in the interval | "
        + " | ".join([*(TITLES[name] for name in classifiers), ""]).rstrip(),
        f"|---|---|---|---|{'---|' * len(classifiers)}",
    ]
    by_key = {(cell.draw, cell.classifier, cell.arm): cell for cell in cells}
    for draw in sorted({cell.draw for cell in cells}):
        shares = next(cell.new_labels for cell in cells if (cell.draw, cell.arm) == (draw, SPREAD))
        pairs = [[by_key.get((draw, name, arm)) for arm in (SPREAD, SPREAD_AFFINE)] for name in classifiers]
        entries = [", ".join(f"{cell.accuracy:.2f}" for cell in pair if cell) for pair in pairs]
        if shares is not None and shares.expected is not None:
            told = f"{shares.expected:.2f} ({shares.low:.2f} to {shares.high:.2f})"
            holds = "yes" if shares.covers else "no"
            right = "not known" if shares.right is None else f"{shares.right:.2f}"
            lines.append(f"| {draw} | {right} | {told} | {holds} | {' | '.join(entries)} |")
    return lines


def _chosen(classifiers: Sequence[str]) -> list[str]:
    """What a page of a single classifier is named after."""
    return list(classifiers) if len(classifiers) == 1 else []


def _entry(row: Row | None) -> str:
    """Such as "97.68 ± 0.12, +12.98 points (+12.10 to +13.86): helps"."""
    if row is None:
        return ""
    spread = f" ± {row.std:.2f}" if row.std is not None else ""
    gain = f", {points(row.gain)}: {row.verdict}" if row.gain else ""
    return f"{row.accuracy:.2f}{spread}{gain}"


def _taken(cells: Sequence[Cell]) -> list[str]:
    """How many images of the pool each classifier has been given."""
    added: dict[str, list[int]] = {}
    for cell in cells:
        if cell.arm == SPREAD and cell.new_labels is not None:
            added.setdefault(cell.classifier, []).append(cell.new_labels.added)
    return [
        f"{TITLES[name]}: {mean(counts):,.0f} newly labelled images, chosen at random."
        for name, counts in added.items()
    ]


if __name__ == "__main__":
    main()
