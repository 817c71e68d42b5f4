"""Whether recommended training sets are as good as the best fixed ones, for all that a search may take.

    python -m bench.recommend --sets digits-30 digits-100    docs/results/recommend.md and .json

For each data set a recommendation is searched inside one draw of labelled images, as a recommend job does, and timed.
Then it is measured on fresh draws beside training sets that are always the same, which a user might choose instead.
What was measured is kept in build/recommend, and the page tells of all that is there, so that sets can be measured one
by one; delete that folder to measure anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from bench import kept, machine, results
from bench.labels import HOME as VAES
from bench.labels import STUDIES
from latentaug.evaluation.candidates import affordable, candidates
from latentaug.evaluation.recipes import Given
from latentaug.evaluation.recommendation import DRAWS, RECOMMENDED, Measurement, Problem
from latentaug.evaluation.recommended import describe
from latentaug.evaluation.search import Search
from latentaug.evaluation.spreader import Spreader
from latentaug.evaluation.work_units import Cell
from latentaug.options import Part, Recipe, RecommendParams, Spreading
from latentaug.vae.codec import Codec
from worker.recommend import SEARCH_SHARE

HOME = Path("build/recommend")
SEARCH = "search.json"
SETS = {
    "digits-30": ("digits", 30),
    "digits-100": ("digits", 100),
    "mnist-100": ("mnist", 100),
    "mnist-1000": ("mnist", 1000),
    "ujipen-v1-310": ("ujipen-v1", 310),
}
"""Data set and labelled images; the VAE is that of `bench.labels`."""
GOAL_POINTS, GOAL_SETS = 0.3, 4
GOAL_SECONDS = {"mnist-100": 180}
"""Most seconds that a recommend job may take; its search is most of it, and what is timed here."""
BUDGET = float(RecommendParams.model_fields["budget_seconds"].default)


@dataclass(frozen=True)
class Found:
    """What a data set gave, in percent: accuracies are means over draws and classifiers.

    Attributes:
        recipes: the recommended ones in words, by classifier.
        draws: fresh draws of labelled images.
        seconds: that spreading and searching took, with the VAE trained.
        load: of the machine when it began.
        recommended: accuracy of the recommended sets.
        fixed: that of each fixed set.
    """

    recipes: dict[str, str]
    draws: int
    seconds: float
    load: float
    recommended: float
    fixed: dict[str, float]

    @property
    def behind(self) -> float:
        """Points by which the best fixed set is ahead."""
        return max(self.fixed.values()) - self.recommended


def measure(name: str, draws: int, names: Sequence[str], home: Path = HOME, vaes: Path = VAES) -> Found:
    """Search a recommendation for a data set of `SETS`, and measure it beside the fixed sets, in so many draws.

    The search and each draw are kept as they are done, so that what is cut short goes on from there.
    """
    folder = _folder(home, name, names)
    if len(_draws(folder)) < draws:
        dataset_name, labelled = SETS[name]
        dataset, study = kept.read(dataset_name), STUDIES[dataset_name]
        assert dataset.labels is not None
        problem = Problem(
            dataset.images[dataset.train],
            dataset.labels[dataset.train],
            dataset.images[dataset.test],
            dataset.labels[dataset.test],
            dataset.classes,
            labelled,
            seed=0,
        )
        vae = kept.trained(vaes, dataset, study.latent_dim, study.training)
        load, began = machine.load(), time.monotonic()
        given = Given.of(problem.images, problem.drawn(DRAWS), len(problem.classes), Codec(vae, "cpu"))
        spreader = Spreader(given, 0)
        found = kept.once(folder / SEARCH, partial(_search, given, spreader, names, load, began))
        best = {classifier: Recipe.model_validate(recipe) for classifier, recipe in found["recipes"].items()}
        measurement = Measurement(problem, given, best, spreader)
        for number in range(draws):
            kept.once(folder / f"draw-{number}.json", partial(_draw, measurement, number))
    return read(folder)


def read(folder: Path) -> Found:
    """What a folder has of a data set."""
    found, draws = json.loads((folder / SEARCH).read_bytes()), _draws(folder)
    means = {words: mean(draw[words] for draw in draws) for words in draws[0]}
    recipes = {classifier: describe(Recipe.model_validate(recipe)) for classifier, recipe in found["recipes"].items()}
    return Found(recipes, len(draws), found["seconds"], found["load"], means.pop(RECOMMENDED), means)


def _folder(home: Path, name: str, names: Sequence[str]) -> Path:
    return home / "-".join([name, *sorted(names)])


def _draws(folder: Path) -> list[dict[str, float]]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("draw-*.json"))]


def _search(given: Given, spreader: Spreader, names: Sequence[str], load: float, began: float) -> dict[str, Any]:
    """The best recipe for each classifier, as a recommend job finds it, and how long that took since `began`."""
    space, expected = spreader.prospects(given.labels)
    search = Search(given, candidates(given, "vae", 0, space, expected), names, spreader, 0, expected=expected)
    trials = list(search.trials([], lambda: time.monotonic() - began > SEARCH_SHARE * BUDGET))
    best = {classifier: search.best(trials, classifier).model_dump(mode="json") for classifier in names}
    return {"recipes": best, "seconds": time.monotonic() - began, "load": round(load, 2)}


def _draw(measurement: Measurement, number: int) -> dict[str, float]:
    """Accuracy on one draw, in percent, mean over classifiers: of the recommended set and of each fixed one."""
    names = list(measurement.recipes)
    fixed = [recipe for recipe in _fixed() if all(affordable(each, measurement.given, recipe) for each in names)]
    cells = _cells(measurement, number, [])
    beside = [cell for cell in cells if cell.arm != RECOMMENDED]  # what is not compared here is measured once
    accuracies = {RECOMMENDED: _accuracy(cells)}
    for recipe in fixed:
        one = replace(measurement, recipes=dict.fromkeys(names, recipe))
        accuracies[describe(recipe)] = _accuracy(_cells(one, number, beside))
    return accuracies


def _cells(measurement: Measurement, number: int, done: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in measurement.draw(number, done) if isinstance(cell, Cell)]


def _accuracy(cells: Sequence[Cell]) -> float:
    return mean(cell.accuracy for cell in cells if cell.arm == RECOMMENDED)


def _fixed() -> list[Recipe]:
    """Training sets that are the same for all data."""
    copies = [Recipe(parts=[Part(source="affine", copies=copies)]) for copies in (1, 3, 10, 30)]
    spread = [Recipe(model="vae", spread=Spreading(images=images)) for images in (None, 12_000)]
    affine = [recipe.model_copy(update={"parts": [Part(source="affine")]}) for recipe in spread]
    return [*copies, *spread, *affine]


def page(found: Mapping[str, Found]) -> list[str]:
    """The table, and whether the goals are reached."""
    lines = [
        "# Recommended training sets beside fixed ones",
        "",
        "| data set and labels | draws | recommended, % | best fixed, % | which is | search, s (load before) | "
        "recommended by classifier |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        best = max(one.fixed, key=lambda words: one.fixed[words])
        recipes = "; ".join(f"{classifier}: {words}" for classifier, words in one.recipes.items())
        took = f"{one.seconds:.0f} ({one.load:g})"
        lines.append(
            f"| {name} | {one.draws} | {one.recommended:.2f} | {one.fixed[best]:.2f} | {best} | {took} | {recipes} |"
        )
    return [*lines, "", *goals(found)]


def goals(found: Mapping[str, Found]) -> Iterator[str]:
    """What was to be reached, and whether it is, as far as it was measured."""
    near = sum(one.behind <= GOAL_POINTS for one in found.values())
    yield (
        f"On {near} of {len(found)} measured the recommended set is at most {GOAL_POINTS} points behind the best fixed "
        f"one; the goal is at least {GOAL_SETS} of {len(SETS)}."
    )
    for name, most in GOAL_SECONDS.items():
        if name in found:
            seconds = found[name].seconds
            reached = "reached" if seconds <= most else f"missed by {seconds - most:.0f} s"
            yield f"With the VAE trained, searching on {name} took {seconds:.0f} s. Goal, a job in {most} s: {reached}."


def main(arguments: Sequence[str] | None = None, home: Path = HOME, vaes: Path = VAES) -> None:
    """Measure what is asked for, keep it in `home`, and write docs/results/recommend.* of all that is kept."""
    parser = argparse.ArgumentParser(description="Compare recommended training sets with fixed ones.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which to measure")
    parser.add_argument("--draws", type=int, default=DRAWS, help="fresh draws of labelled images")
    parser.add_argument("--classifiers", nargs="+", default=["svm", "knn"], help="which are to be served")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder of the results")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    found = dict[str, Found]()
    for name in SETS:
        folder = _folder(home, name, asked.classifiers)
        if name in asked.sets:
            found[name] = measure(name, asked.draws, asked.classifiers, home, vaes)
        elif _draws(folder):
            found[name] = read(folder)
    data = {name: {**asdict(one), "behind": one.behind} for name, one in found.items()}
    command = " ".join(["python -m bench.recommend", *arguments])
    results.write(asked.results, "recommend", command, environment, data, page(found))


if __name__ == "__main__":
    main()
