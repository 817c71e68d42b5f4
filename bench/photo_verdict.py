"""What is worth doing with 20 labelled colour images of each class: the verdicts on the sets of `bench.photo_sets`.

    python -m bench.photo_verdict --dataset crops                    docs/results/photo-verdict-crops.*
    python -m bench.photo_verdict --dataset emoji --draws svm=3 cnn=3

The evaluation is that of evaluate jobs, so each classifier's first sentence is what such a job would tell: the labelled
images alone, beside affine copies, TrivialAugment, images of a residual VAE, mixed batches for the CNN, and the rest of
the training part with spread labels, which is the recommended set. What is interrupted goes on where it was, from
build/photo-verdict; delete that folder to measure anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import kept, results
from bench.photo_sets import SETS
from latentaug.datasets import Dataset
from latentaug.evaluation.design import Parts, Scope
from latentaug.evaluation.evaluate import conclude
from latentaug.evaluation.phrases import TITLES
from latentaug.evaluation.report import to_markdown
from latentaug.evaluation.result import Result
from latentaug.evaluation.training_sets import Projection, as_floats
from latentaug.evaluation.work_units import Cell, Setting
from latentaug.options import Classifier, Design, TrainingOptions
from latentaug.vae.codec import Codec
from latentaug.vae.networks import Network

HOME = Path("build/photo-verdict")
LATENT_DIM, TRAINING = 128, TrainingOptions(max_seconds=240)
PER_CLASS, COPIES, DRAWS = 20, 3, 10
NAMES: tuple[Classifier, ...] = ("svm", "knn", "cnn")
EVERY = 100_000
"""More images than any pool has."""
SAYS = {
    "crops": "Two crops of a photograph may show the same part of it, so that test images can be much like training "
    "images. Other photographs of the same things would be harder.",
    "emoji": "Classes are as large as Unicode's groups, and a draw has of each in proportion. A group is a matter of "
    "meaning, not of looks.",
}

RECOMMENDED = (
    "Where spreading expects at least 70 % of its labels to be right, and more of them than the classifier gets right "
    "by the labelled images alone, a recommend job expects newly labelled images to be the best training set, with an "
    "affine copy of each; elsewhere 30 affine copies of each labelled one. It names another one only where the "
    "labelled images clearly prefer it."
)


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure what is asked for, keep it in `home`, and write the page."""
    parser = argparse.ArgumentParser(description="Measure what helps with few labelled colour images.")
    parser.add_argument("--dataset", choices=SETS, default="crops")
    parser.add_argument("--draws", nargs="+", default=[], help=f"by classifier, {DRAWS} where not named: svm=3")
    parser.add_argument("--processes", type=int, default=1, help="that measure side by side")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    given = (each.partition("=") for each in asked.draws)
    draws = dict.fromkeys(NAMES, DRAWS) | {name: int(count) for name, _, count in given}
    environment = results.environment()
    dataset = SETS[asked.dataset]()
    vae = kept.trained(home, dataset, LATENT_DIM, TRAINING)
    result = measured(dataset, vae, draws, home, asked.processes)
    results.write(
        asked.results,
        f"photo-verdict-{dataset.name}",
        f"python -m bench.photo_verdict {' '.join(arguments)}".rstrip(),
        environment,
        result.to_json(),
        page(dataset, result, error(vae, dataset), SAYS[asked.dataset]),
    )


def measured(dataset: Dataset, vae: Network, draws: Mapping[str, int], home: Path, processes: int) -> Result:
    """The evaluation of a data set, with a VAE of its training part and so many draws of each classifier."""
    parts, cells = Parts.of(dataset), list[Cell]()
    design = design_of(PER_CLASS * len(dataset.classes), max(draws.values()))
    scope = Scope.of(parts, design)
    projections = {LATENT_DIM: Projection.of(vae, parts.training.images, parts.test_images, "cpu")}
    for name, count in draws.items():
        of_one = replace(scope, design=design.model_copy(update={"classifiers": [name], "draws": count}))
        cells += kept.measured(home, Setting(parts, of_one, projections, "cpu"), dataset.checksum, processes)
    return conclude(parts, list(projections), design, cells)


def design_of(labelled: int, draws: int) -> Design:
    """Every training set that a classifier of `NAMES` can learn from, in image space."""
    return Design(
        labelled=labelled,
        draws=draws,
        classifiers=[*NAMES],
        spaces=["image"],
        decode=["residual", "warp"],
        comparators=["affine", "trivial", "mixup", "cutmix"],
        combine=False,
        k=COPIES,
        pool_images=EVERY,
    )


def error(vae: Network, dataset: Dataset) -> float:
    """Mean squared error of reconstructed validation images, grey levels in 0..1."""
    codec, images = Codec(vae, "cpu"), dataset.images[dataset.validation]
    return float(np.square(codec.decode(codec.encode(images)) - as_floats(images)).mean())


def page(dataset: Dataset, result: Result, mse: float, says: str) -> list[str]:
    """An evaluate job's report, under a title of its own, and what to bear in mind about the data set.

    Args:
        dataset: which was measured.
        result: what was found.
        mse: the VAE's `error`.
        says: of `SAYS`.
    """
    _, verdicts, *rest = to_markdown(result).rstrip().split("\n\n")
    height, width, _ = dataset.images.shape[1:]
    sizes = result.sizes
    return [
        f"# {dataset.name}: {sizes.labelled} labelled colour images of {height}x{width} in {sizes.classes} classes",
        "",
        verdicts,
        "",
        f"{says} {RECOMMENDED} Draws that each classifier was measured in: {_draws(result)}; after few of them little "
        "can be proven.",
        "",
        "\n\n".join(rest),
        f"- The VAE is the residual network (Z = {LATENT_DIM}), trained once, for at most {TRAINING.max_seconds:g} "
        f"s on one core beside other work. Its mean squared error on held-out images is {mse:.4f}.",
        f"- Fitting and predicting took {kept.seconds(result.cells) / 60:.0f} minutes in all.",
    ]


def _draws(result: Result) -> str:
    """Such as "SVM 10, CNN 3": of a classifier that takes longer there may be fewer."""
    return ", ".join(f"{TITLES[name]} {len({c.draw for c in result.cells if c.classifier == name})}" for name in NAMES)


if __name__ == "__main__":
    main()
