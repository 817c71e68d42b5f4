"""The search for the best recipe inside the labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, cycle, islice

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.semi_supervised import LabelSpreading

from latentaug.augment.spreading import Expected, Spread
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation import search as search_module
from latentaug.evaluation.candidates import MOST_ROWS, affordable, candidates
from latentaug.evaluation.recipes import Given, size
from latentaug.evaluation.search import Search
from latentaug.evaluation.trials import Trial
from latentaug.evaluation.work_units import pack, unpack
from latentaug.options import Part, Recipe, Spreading

Rows = NDArray[np.int64]
SPREAD, AFFINE = Recipe(spread=Spreading(space="pixels")), Recipe(parts=[Part(source="affine", copies=3)])
NEVER = bool


class Spreader:
    """scikit-learn's label spreading, which keeps the labels that it was asked to know."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.X = images.reshape(len(images), -1) / 255
        self.seen: list[Rows] = []

    def __call__(self, labels: Rows, how: Spreading) -> Spread:
        self.seen.append(labels)
        model = LabelSpreading(kernel="knn", n_neighbors=7, alpha=0.9, max_iter=100).fit(self.X, labels)
        found = model.transduction_.astype(np.int64)
        none = np.empty(0, np.int64)
        sure = np.ones(len(labels), np.float32)
        return Spread(found, sure, sure > 0, np.zeros(len(labels), np.int64), "pixels", Expected(1, 0, 1, []), none)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.uint8], Rows]:
    images, labels = load_digits(return_X_y=True)
    return (images[:400] * 15).astype(np.uint8).reshape(-1, 8, 8, 1), labels[:400].astype(np.int64)


@pytest.fixture
def search(digits: tuple[NDArray[np.uint8], Rows]) -> Search:
    images, labels = digits
    known = np.full(len(labels), UNLABELLED)
    for label in range(10):
        rows = np.flatnonzero(labels == label)[:2]
        known[rows] = label
    return Search(Given.of(images, known, 10), [AFFINE, SPREAD, Recipe()], ["knn"], Spreader(images), seed=0)


def all_trials(search: Search, done: Sequence[Trial] = ()) -> list[Trial]:
    return list(search.trials(done, NEVER))


def test_the_images_that_are_left_out_count_as_unlabelled(search: Search) -> None:
    all_trials(search)
    spreader = search.spreader
    assert isinstance(spreader, Spreader)
    assert len(spreader.seen) <= len(search.folds)
    for labels, held in zip(spreader.seen, search.folds, strict=False):
        assert (labels[held] == UNLABELLED).all()
        assert (labels != UNLABELLED).sum() == 20 - len(held)


def test_every_labelled_image_is_left_out_once_in_each_repeat(search: Search) -> None:
    parts = len(search.folds) // search_module.REPEATS
    for repeat in range(search_module.REPEATS):
        together = np.concatenate(search.folds[repeat * parts : (repeat + 1) * parts])
        assert np.array_equal(np.sort(together), search.given.labelled)


def test_another_recipe_takes_the_place_of_the_expected_one_where_it_is_clearly_better(search: Search) -> None:
    trials = all_trials(search)
    best = search.best(trials)
    assert best == SPREAD
    first = search.tried(trials)[0]
    assert (first.recipe, first.better) == (SPREAD, True)
    assert first.gain is not None
    assert first.gain > 5


def test_the_expected_one_stays_where_none_is_clearly_better(search: Search) -> None:
    same = replace(search, candidates=[Recipe(), Recipe(seed=1)])
    assert same.best(all_trials(same)) == Recipe()


@pytest.mark.parametrize(("wrong", "expected", "best"), [(0, 0.95, AFFINE), (1, 0.95, SPREAD), (0, 1.0, SPREAD)])
def test_spread_labels_are_not_expected_to_help_who_knows_better_without_them(
    search: Search, wrong: int, expected: float, best: Recipe
) -> None:
    one = replace(search, candidates=[SPREAD, AFFINE, Recipe()], expected=expected)
    folds = [np.ones(len(held), bool) for held in one.folds[: len(one.folds) // search_module.REPEATS]]
    alone = [answers.copy() for answers in folds]
    alone[0][:wrong] = False  # 19 of 20 are right: 0.95, and less by a standard error
    trials = [Trial(0, fold, "knn", pack(answers)) for fold, answers in enumerate(folds)]
    trials += [Trial(1, fold, "knn", pack(answers)) for fold, answers in enumerate(alone)]
    assert one.best(trials) == best
    assert one.best(trials, "knn") == best
    assert [found.gain is None for found in one.tried(trials) if found.recipe == best] == [True], (
        "others stand beside it"
    )


def test_one_more_image_right_is_not_clear(search: Search) -> None:
    first, second = np.ones(len(search.folds[0]), bool), np.ones(len(search.folds[0]), bool)
    first[0] = False
    trials = [Trial(0, 0, "knn", pack(first)), Trial(1, 0, "knn", pack(second))]
    assert search.tried(trials)[0].gain is not None
    assert search.best(trials) == AFFINE


def test_the_worse_half_drops_out_but_never_the_expected_one(search: Search) -> None:
    many = replace(search, candidates=[Recipe(), SPREAD, *(Recipe(seed=seed) for seed in range(1, 7))])
    trials = all_trials(many)
    alive = [{trial.candidate for trial in trials if trial.fold == fold} for fold in range(len(many.folds))]
    assert [len(alive[0]), len(alive[1])] == [8, 4]
    assert all({0, 1} <= some for some in alive if some)


def test_a_family_that_is_clearly_worse_is_left_out_whole(search: Search) -> None:
    copies = [Recipe(parts=[Part(source="affine", copies=number)]) for number in (1, 2, 3)]
    both = replace(search, candidates=[*copies, SPREAD, *(SPREAD.model_copy(update={"seed": seed}) for seed in (1, 2))])
    once = len(search.folds) // search_module.REPEATS
    leaders = [trial.key for trial in islice(both.trials([], NEVER), 4 * once)]
    assert leaders == [(c, fold, "knn") for fold in range(once) for c in (0, 1, 3, 4)]

    def judged(right: Callable[[int], bool]) -> list[Trial]:
        return [Trial(c, f, "knn", pack(np.full(len(search.folds[f]), right(c)))) for c, f, _ in leaders]

    (after,) = islice(both.trials(judged(lambda candidate: candidate > 2), NEVER), 1)
    assert after.key == (5, 0, "knn"), "the third of the copies is not tried any more"
    (after,) = islice(both.trials(judged(lambda candidate: True), NEVER), 1)
    assert after.key == (2, 0, "knn"), "nothing is clear, so all go on"


def test_what_has_many_copies_has_fewer_in_the_search(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "MOST_TRIED", 200)
    many, few = Recipe(parts=[Part(source="affine", copies=30)]), Recipe(parts=[Part(source="affine", copies=9)])
    assert search_module._reduced(many, search.given).parts[0].copies == 10
    assert search_module._reduced(few, search.given) == few


def test_it_stops_when_time_is_up(search: Search) -> None:
    answers = chain([False, False], cycle([True]))
    trials = list(search.trials([], lambda: next(answers)))
    assert len(trials) == 2


def test_the_cnn_takes_part_for_as_long_as_it_can_afford(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "MOST_STEPS", 80)
    seeing = replace(search, names=["cnn"])
    trials = list(islice(seeing.trials([], NEVER), 2))
    assert [trial.key for trial in trials] == [(0, 0, "cnn"), (1, 0, "cnn")]
    assert unpack(trials[1].right).mean() > 0.6  # of the images left out, by spread labels
    photos = Given(np.zeros((40, 256, 256, 3), np.uint8), np.arange(40) % 2, 2)
    many = Recipe(parts=[Part(source="affine", copies=30)])  # 1,240 images, each of 250 times the numbers of a digit
    assert not affordable("cnn", photos, many)
    assert affordable("cnn", photos, AFFINE)


def test_it_goes_on_from_what_was_tried_to_the_same_end(search: Search) -> None:
    whole = all_trials(search)
    rest = all_trials(search, whole[:5])
    assert [*whole[:5], *rest] == whole


def test_nothing_can_be_left_out_of_a_class_with_a_single_image(search: Search) -> None:
    labels = search.given.labels.copy()
    labels[np.flatnonzero(labels == 3)[1:]] = UNLABELLED
    alone = replace(search, given=search.given.with_labels(labels))
    assert alone.folds == []
    assert all_trials(alone) == []
    assert alone.best([]) == AFFINE


class TestCandidates:
    def test_with_unlabelled_images_spreading_is_expected_to_be_best(self, search: Search) -> None:
        found = candidates(search.given, None, 7)
        assert found[0].spread is not None
        assert {recipe.seed for recipe in found} == {7}
        assert Recipe(seed=7) in found

    def test_where_labels_spread_badly_copies_are(self, search: Search) -> None:
        found = candidates(search.given, None, 0, expected=0.5)
        assert (found[0].spread, found[0].parts[0].source) == (None, "affine")
        assert {recipe.model_dump_json() for recipe in found} == {
            recipe.model_dump_json() for recipe in candidates(search.given, None, 0, expected=0.9)
        }

    def test_without_them_copies_are(self, digits: tuple[NDArray[np.uint8], Rows]) -> None:
        given = Given.of(digits[0], digits[1], 10)
        found = candidates(given, None, 0)
        assert all(recipe.spread is None for recipe in found)
        assert found[0].parts[0].source == "affine"

    def test_a_vaes_methods_are_tried_where_there_is_one(self, digits: tuple[NDArray[np.uint8], Rows]) -> None:
        images, labels = digits
        given = Given.of(images, np.where(np.arange(len(labels)) < 100, labels, UNLABELLED), 10)
        without, with_one = (candidates(given, model, 0) for model in (None, "mine"))
        assert not {part.source for recipe in without for part in recipe.parts} & {"noise", "interpolation"}
        assert {part.source for recipe in with_one for part in recipe.parts} >= {"noise", "interpolation"}

    def test_none_is_named_twice(self, search: Search) -> None:
        found = [recipe.model_dump_json() for recipe in candidates(search.given, "mine", 0, "latent")]
        assert len(set(found)) == len(found)

    def test_an_svm_is_given_no_more_images_than_it_can_learn_from(self) -> None:
        many = Given.of(np.zeros((90_000, 8, 8, 1), np.uint8), np.repeat([0, 1, UNLABELLED], [5, 5, 89_990]), 2)
        found = candidates(many, None, 0)
        largest = max(found, key=lambda recipe: size(many, recipe))
        assert size(many, found[0]) == MOST_ROWS["svm"]
        assert size(many, largest) == 90_000
        assert not affordable("svm", many, largest)
        assert affordable("knn", many, largest)

    def test_large_images_cost_more(self) -> None:
        small, large = (np.zeros((40_000, side, side, 1), np.uint8) for side in (8, 64))
        labels = np.repeat([0, 1, UNLABELLED], [5, 5, 39_990])
        sizes = [
            size(given, candidates(given, None, 0)[0])
            for given in (Given.of(small, labels, 2), Given.of(large, labels, 2))
        ]
        assert sizes[0] == 40_000 > sizes[1]
