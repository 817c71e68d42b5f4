"""The recommend job: look for the best training set inside the labelled images, then measure the winner.

What was tried and measured is kept as it goes, so that a later attempt goes on from there, and the time that the
earlier one took counts as well.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from latentaug import datasets
from latentaug.datasets import Dataset
from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import Conflict, InvalidInput
from latentaug.evaluation.candidates import candidates
from latentaug.evaluation.evaluate import versions
from latentaug.evaluation.plots import gains_plot
from latentaug.evaluation.recipes import Given
from latentaug.evaluation.recommendation import DRAWS, Measurement, Problem, Spreads, comparable, measured
from latentaug.evaluation.recommended import Recommendation, to_markdown
from latentaug.evaluation.report import to_csv
from latentaug.evaluation.result import Sizes
from latentaug.evaluation.search import MOST_STEPS, Search
from latentaug.evaluation.spreader import Spreader
from latentaug.evaluation.summary import rows
from latentaug.evaluation.trials import Trial
from latentaug.evaluation.work_units import Cell
from latentaug.options import Design, Recipe, RecommendParams
from latentaug.runtime.jobs import Json
from latentaug.storage import models
from latentaug.vae.codec import Codec, read_vae
from worker.vaes import device
from worker.work import Work

SPREADING, SEARCHING, CONCLUDING = 0.25, 0.6, 0.99
"""How far the job has come once images are compared, the search has ended, and all draws are measured."""
SEARCH_SHARE = 0.5
"""Share of the budget after which the search ends; what is left is for the measurement."""

_KEPT = "recommend.json"

_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """What has been done so far, in this attempt and in earlier ones."""

    trials: list[Trial] = field(default_factory=list)
    recipe: Recipe | None = None
    recipes: dict[str, Recipe] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    spreads: list[Spreads] = field(default_factory=list)
    search_seconds: float = 0.0
    seconds: float = 0.0

    @staticmethod
    def read(kept: bytes | None) -> Progress:
        """What an earlier attempt kept; nothing where it was of another release, and this one cannot read it."""
        if kept is None:
            return Progress()
        try:
            return _PROGRESS.validate_json(kept, extra="ignore")
        except ValueError as error:
            _log.warning("the job starts from the beginning, as what it has kept cannot be read: %s", error)
            return Progress()

    def written(self) -> bytes:
        """All of it, to be read by a later attempt."""
        return _PROGRESS.dump_json(self)


_PROGRESS = TypeAdapter(Progress)


class Clock:
    """Seconds since the job's first attempt began, as far as they were spent on it."""

    def __init__(self, budget: float, spent: float) -> None:
        self.budget = budget
        self._began = time.monotonic() - spent

    @property
    def seconds(self) -> float:
        """How much time the job has taken."""
        return time.monotonic() - self._began

    def has_time(self, seconds: float) -> bool:
        """Whether so many seconds of the budget are left."""
        return self.seconds + seconds <= self.budget

    def out_of_time(self, share: float) -> bool:
        """Whether this share of the budget is spent."""
        return self.seconds >= share * self.budget


def recommend(work: Work, params: RecommendParams) -> dict[str, Any]:
    """Search, measure and report; return the recipe and the verdicts.

    Files: `result.json`, `report.md`, `report.csv`, `report.png`.

    Raises:
        InvalidInput: the data set has no labels, or those of a single class.
        TooFewImages: fewer labelled images than classes, or no test image.
        Conflict: the model was trained on other data.
    """
    done = Progress.read(work.recall(_KEPT))
    clock = Clock(params.budget_seconds, done.seconds)
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    problem = _problem(dataset, params)
    problem.sizes.sum()  # refuses what cannot be measured before anything is computed
    given = _given(work, dataset, problem, params)
    spreader = Spreader(given, params.seed, lambda share, stage: work.report(SPREADING * share, stage))
    if done.recipe is None:
        _search(work, params, given, spreader, done, clock)
    _measure(work, problem, given, spreader, done, clock)
    work.report(CONCLUDING, "writing the report", final=True)
    found = _conclude(work, params, dataset, problem, given, spreader, done)
    work.put("report.md", to_markdown(found))
    work.put("report.csv", to_csv(found))
    work.put("report.png", gains_plot(found))
    written = found.to_json()
    work.put_json("result.json", written)
    return {name: written[name] for name in ("recipe", "recipes", "described", "verdict", "verdicts")}


def _problem(dataset: Dataset, params: RecommendParams) -> Problem:
    if dataset.labels is None:
        raise InvalidInput(f"{dataset.name!r} has no labels to spread or to judge by; upload it with some labels")
    images, labels = dataset.images, dataset.labels
    train, test = dataset.train, dataset.test
    classes = dataset.classes
    return Problem(images[train], labels[train], images[test], labels[test], classes, params.labelled, params.seed)


def _given(work: Work, dataset: Dataset, problem: Problem, params: RecommendParams) -> Given:
    """The training part with the labels that the search knows, encoded where there is a model."""
    codec = None
    if params.model is not None:
        model = models.describe(work.artefacts, params.model)
        if model.dataset_checksum != dataset.checksum:
            raise Conflict(
                f"model {params.model!r} was trained on other data than {dataset.name!r} holds, perhaps on its test "
                "images; name a model that was trained on this data set, or none"
            )
        codec = Codec(read_vae(work.artefacts, model), device(work.settings))
    work.report(0.0, "encoding images", final=True)
    return Given.of(problem.images, problem.drawn(DRAWS), len(problem.classes), codec)


def _search(
    work: Work, params: RecommendParams, given: Given, spreader: Spreader, done: Progress, clock: Clock
) -> None:
    """Find the recipes, and keep them."""
    search = _setting(work, params, given, spreader)
    for trial in search.trials(done.trials, lambda: clock.out_of_time(SEARCH_SHARE)):
        done.trials.append(trial)
        _keep(work, done, clock)
        share = min(1.0, clock.seconds / (SEARCH_SHARE * clock.budget))
        stage = f"trying training sets, fold {trial.fold + 1} of up to {len(search.folds)}"
        metrics: Json = {"candidate": trial.candidate, "fold": trial.fold, "classifier": trial.classifier}
        work.report(SPREADING + (SEARCHING - SPREADING) * share, stage, clock.budget - clock.seconds, metrics)
    done.recipe = search.best(done.trials)
    done.recipes = {name: search.best(done.trials, name) for name in params.classifiers}
    done.search_seconds = clock.seconds
    _keep(work, done, clock)


def _setting(work: Work, params: RecommendParams, given: Given, spreader: Spreader) -> Search:
    space, expected = spreader.prospects(given.labels) if given.unlabelled else ("pixels", 1.0)  # nothing is spread
    recipes = candidates(given, params.model, params.seed, space, expected)
    return Search(given, recipes, params.classifiers, spreader, params.seed, device(work.settings), expected)


def _measure(work: Work, problem: Problem, given: Given, spreader: Spreader, done: Progress, clock: Clock) -> None:
    """Measure the recipes draw by draw, and keep each cell at once."""
    measurement = Measurement(problem, given, done.recipes, spreader, device(work.settings))
    known = {one.draw for one in done.spreads}
    for one in measured(measurement, list(done.cells), clock.has_time):
        if isinstance(one, Spreads):
            done.spreads += [] if one.draw in known else [one]
            known.add(one.draw)
            continue
        done.cells.append(one)
        _keep(work, done, clock)
        work.count(cells=1)
        share = min(1.0, clock.seconds / clock.budget)
        stage = f"measuring on test images, draw {one.draw + 1}"
        metrics: Json = {"draw": one.draw, "arm": one.arm, "classifier": one.classifier, "accuracy": one.accuracy}
        work.report(SEARCHING + (CONCLUDING - SEARCHING) * share, stage, None, metrics)


def _keep(work: Work, done: Progress, clock: Clock) -> None:
    done.seconds = clock.seconds
    work.keep(_KEPT, done.written())


def _conclude(
    work: Work,
    params: RecommendParams,
    dataset: Dataset,
    problem: Problem,
    given: Given,
    spreader: Spreader,
    done: Progress,
) -> Recommendation:
    """Sum up what was tried and measured."""
    search = _setting(work, params, given, spreader)
    labelled = int(problem.sizes.sum())
    drawn = 1 + max((cell.draw for cell in done.cells), default=0)
    cells = comparable(done.cells, problem.fresh)
    known = int((problem.labels != UNLABELLED).sum())
    return Recommendation(
        Design(
            labelled=labelled,
            draws=drawn,
            seed=params.seed,
            classifiers=params.classifiers,
            spaces=["image"],
            comparators=["affine"],
            combine=False,
        ),
        Sizes(
            train=known,
            test=len(problem.test_labels),
            classes=int((problem.sizes > 0).sum()),
            labelled=labelled,
            children=1,
        ),
        rows=rows(cells),
        cells=cells,
        warnings=_warnings(problem, search, given),
        mlp_steps=MOST_STEPS,
        device=device(work.settings),
        versions=versions(),
        dataset=dataset.name,
        dataset_checksum=dataset.checksum,
        model=None if params.model is None else [params.model],
        recipe=done.recipe or Recipe(),
        recipes=done.recipes,
        tried={
            "all": search.tried(done.trials),
            **{name: search.tried(done.trials, name) for name in params.classifiers},
        },
        spreads=done.spreads,
        search_seconds=done.search_seconds,
    )


def _warnings(problem: Problem, search: Search, given: Given) -> list[str]:
    """What the result cannot say."""
    found = []
    if not search.folds:
        found.append(
            "A class has a single labelled image, so none could be left out to compare training sets. The recipe is "
            "the one that is expected to be best. Label at least 2 images of each class."
        )
    if not given.unlabelled:
        found.append("There are no unlabelled images, which help the most; add some to the data set.")
    return found
