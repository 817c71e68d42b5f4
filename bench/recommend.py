"""Whether recommended training sets are as good as the best fixed ones: `python -m bench.recommend --help`.

For each data set a recommendation is searched inside one draw of labelled images, as a recommend job does, and timed.
Then it is measured on fresh draws beside training sets that are always the same, which a user might choose instead.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from bench import results
from latentaug import datasets
from latentaug.evaluation.candidates import affordable, candidates
from latentaug.evaluation.recipes import Given
from latentaug.evaluation.recommendation import DRAWS, RECOMMENDED, Measurement, Problem
from latentaug.evaluation.recommended import describe
from latentaug.evaluation.search import Search
from latentaug.evaluation.spreader import Spreader
from latentaug.evaluation.work_units import Cell
from latentaug.options import Part, Recipe, RecommendParams, Spreading, TrainingOptions
from latentaug.runtime.settings import load
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import Codec
from latentaug.vae.training import fit
from worker.recommend import SEARCH_SHARE

SETS = {
    "digits-30": ("digits", 30, 20),
    "digits-100": ("digits", 100, 20),
    "mnist-100": ("mnist", 100, 50),
    "mnist-1000": ("mnist", 1000, 50),
    "ujipen-v1-310": ("ujipen-v1", 310, 20),
}
"""Data set, labelled images, and dimensions of the VAE."""
GOAL_POINTS, GOAL_SETS = 0.3, 4
BUDGET = float(RecommendParams.model_fields["budget_seconds"].default)


@dataclass(frozen=True)
class Found:
    """What a data set gave, in percent: accuracies are means over draws and classifiers.

    Attributes:
        recipes: the recommended ones in words, by classifier.
        seconds: that spreading and searching took, with the VAE trained.
        recommended: accuracy of the recommended sets.
        fixed: that of each fixed set.
    """

    recipes: dict[str, str]
    seconds: float
    recommended: float
    fixed: dict[str, float]

    @property
    def behind(self) -> float:
        """Points by which the best fixed set is ahead."""
        return max(self.fixed.values()) - self.recommended


def measure(name: str, draws: int, names: list[str]) -> Found:
    """Search a recommendation for a data set of `SETS`, and measure it beside the fixed sets."""
    dataset_name, labelled, latent_dim = SETS[name]
    settings = load()
    dataset = datasets.load(dataset_name, ArtefactStore("memory:///"), settings.dataset_folders)
    assert dataset.labels is not None
    train, test = dataset.train, dataset.test
    problem = Problem(
        dataset.images[train],
        dataset.labels[train],
        dataset.images[test],
        dataset.labels[test],
        dataset.classes,
        labelled,
        seed=0,
    )
    options = TrainingOptions(epochs=20, beta=0.5)
    vae = fit(problem.images, dataset.images[dataset.validation], latent_dim, options).vae
    began = time.monotonic()
    given = Given.of(problem.images, problem.drawn(DRAWS), len(problem.classes), Codec(vae, "cpu"))
    spreader = Spreader(given, 0)
    recipes = candidates(given, "vae", spreader.space(given.labels), 0)
    search = Search(given, recipes, names, spreader, 0)
    trials = list(search.trials([], lambda: time.monotonic() - began > SEARCH_SHARE * BUDGET))
    best = {classifier: search.best(trials, classifier) for classifier in names}
    seconds = time.monotonic() - began
    measurement = Measurement(problem, given, best, spreader)
    fixed = {describe(recipe): recipe for recipe in _fixed() if all(affordable(c, given, recipe) for c in names)}
    accuracies = {
        words: _accuracy(replace(measurement, recipes=dict.fromkeys(names, recipe)), draws)
        for words, recipe in fixed.items()
    }
    told = {classifier: describe(recipe) for classifier, recipe in best.items()}
    return Found(told, seconds, _accuracy(measurement, draws), accuracies)


def _fixed() -> list[Recipe]:
    """Training sets that are the same for all data."""
    copies = [Recipe(parts=[Part(source="affine", copies=copies)]) for copies in (1, 3, 10, 30)]
    spread = [Recipe(model="vae", spread=Spreading(images=images)) for images in (None, 12_000)]
    affine = [recipe.model_copy(update={"parts": [Part(source="affine")]}) for recipe in spread]
    return [*copies, *spread, *affine]


def _accuracy(measurement: Measurement, draws: int) -> float:
    cells = [cell for number in range(draws) for cell in measurement.draw(number, []) if isinstance(cell, Cell)]
    return mean(cell.accuracy for cell in cells if cell.arm == RECOMMENDED)


def page(found: dict[str, Found]) -> list[str]:
    """The table, and whether the goal is reached."""
    lines = [
        "# Recommended training sets beside fixed ones",
        "",
        "| data set and labels | recommended, % | best fixed, % | which is | search, s | recommended by classifier |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        best = max(one.fixed, key=lambda words: one.fixed[words])
        recipes = "; ".join(f"{classifier}: {words}" for classifier, words in one.recipes.items())
        numbers = f"{one.recommended:.2f} | {one.fixed[best]:.2f} | {best} | {one.seconds:.0f}"
        lines.append(f"| {name} | {numbers} | {recipes} |")
    near = sum(one.behind <= GOAL_POINTS for one in found.values())
    goal = f"The goal is at most {GOAL_POINTS} points behind on at least {GOAL_SETS}."
    return [*lines, "", f"On {near} of {len(found)} the recommended set is at most so far behind. {goal}"]


def main() -> None:
    """Measure and write docs/results/recommend.*."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which to measure")
    parser.add_argument("--draws", type=int, default=DRAWS, help="fresh draws of labelled images")
    parser.add_argument("--classifiers", nargs="+", default=["svm", "knn"], help="which are to be served")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder of the results")
    given = parser.parse_args()
    environment = results.environment()
    found = {name: measure(name, given.draws, given.classifiers) for name in given.sets}
    data = {name: {**vars(one), "behind": one.behind} for name, one in found.items()}
    command = " ".join(["python -m bench.recommend", *sys.argv[1:]])
    results.write(given.results, "recommend", command, environment, data, page(found))


if __name__ == "__main__":
    main()
