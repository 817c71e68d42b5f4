"""The search for the best recipe, inside the labelled images alone.

Labelled images are left out, fold by fold: in a fold they count as unlabelled, labels are spread from the others, every
recipe makes its training set, and the images that were left out judge the classifiers that learned from it. Their
labels serve for nothing else.

There are two families of recipes, those with newly labelled images and those with the labelled ones alone. The first
recipes of each are tried until every labelled image has been left out once; a family that is clearly worse is then left
out whole, so that no time goes into what would not be taken. Of the others, recipes that do worse drop out (successive
halving; Jamieson and Talwalkar 2016), so that more folds compare the better ones.

With few labels such scores are noisy. The recipe that is expected to be best stays in until the end, and another takes
its place only where the labelled images say so clearly, or where a classifier does without spread labels what these are
expected to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from latentaug.augment.spreading import Spread
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation import classifiers
from latentaug.evaluation.candidates import affordable
from latentaug.evaluation.recipes import Given, TrainingSet, make, size
from latentaug.evaluation.training_sets import Samples, as_floats, flat
from latentaug.evaluation.trials import MARGIN, Trial, Tried
from latentaug.evaluation.work_units import pack, unpack
from latentaug.options import Recipe, Spreading

Rows = NDArray[np.int64]
Spreader = Callable[[Rows, Spreading], Spread]
"""Labels of all images, int64 [n], and how to spread them, to the labels after that."""

FOLDS = 5
"""Parts into which the labelled images are split; fewer where a class has fewer of them."""
REPEATS = 4
"""How often they are split anew, at most."""
NEWLY = 2_000
"""Newly labelled images in a training set of the search, for speed; all recipes have the same share of theirs."""
MOST_TRIED = 4_000
"""Images in a training set of the search, for speed: a recipe that has more gets fewer copies of each there."""
LEADERS = 2
"""Recipes of each family that stand for it at first."""
HALVED_AFTER = (1, 2, 4, 8)
"""Numbers of folds after which the worse half of the recipes drops out."""


@dataclass(frozen=True)
class Search:
    """What all trials share.

    Attributes:
        given: labelled and unlabelled images.
        candidates: recipes, the expected best first.
        names: of the classifiers.
        spreader: spreads labels over the images of `given`.
        seed: of folds and classifiers.
        device: where the MLP and the CNN run.
        expected: share of spread labels that are expected to be right, 0..1.
    """

    given: Given
    candidates: Sequence[Recipe]
    names: Sequence[str]
    spreader: Spreader
    seed: int
    device: str = "cpu"
    expected: float = 1.0

    @cached_property
    def folds(self) -> list[Rows]:
        """The rows of the labelled images that each fold leaves out; none where a class has a single image."""
        rows = self.given.labelled
        labels = self.given.labels[rows]
        parts = min(FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
        if parts < 2:
            return []
        splits = (StratifiedKFold(parts, shuffle=True, random_state=(self.seed + n) % 2**32) for n in range(REPEATS))
        return [rows[held] for split in splits for _, held in split.split(rows, labels)]

    def serves(self, candidate: int, classifier: str) -> bool:
        """Whether a classifier learns from a recipe's whole training set in reasonable time."""
        return affordable(classifier, self.given, self.candidates[candidate])

    def trials(self, done: Sequence[Trial], out_of_time: Callable[[], bool]) -> Iterator[Trial]:
        """Try the recipes fold by fold until time is up or nothing is left to try.

        Args:
            done: what an earlier attempt has tried, which is not tried again.
            out_of_time: asked before each trial.
        """
        seen, once = list(done), len(self.folds) // REPEATS
        families = self._families()
        if len(families) > 1:
            leaders = sorted(leader for family in families for leader in self._leaders(family))
            for fold in range(once):
                yield from self._among(leaders, fold, seen, out_of_time)
            if out_of_time():
                return
            families = self._worth_more(families, seen)
        alive = sorted(c for family in families for c in family)
        for fold in range(len(self.folds)):
            if fold in HALVED_AFTER:
                alive = self._better_half(alive, fold, seen)
            if len(alive) > 1:
                yield from self._among(alive, fold, seen, out_of_time)

    def tried(self, trials: Sequence[Trial], classifier: str | None = None) -> list[Tried]:
        """What the trials say of each recipe that was tried, best first: of one classifier, or over all of them.

        Over all classifiers, only recipes count that serve each of them.
        """
        names = [classifier] if classifier else list(self.names)
        chosen = self._serving(names)
        right = {trial.key: unpack(trial.right) for trial in trials if trial.classifier in names}
        expected = self._expected_best(chosen, names, right)
        found = [self._told(c, expected, names, right) for c in chosen if any(key[0] == c for key in right)]
        return sorted(found, key=lambda one: (one.folds, np.mean(list(one.accuracy.values()))), reverse=True)

    def best(self, trials: Sequence[Trial], classifier: str | None = None) -> Recipe:
        """The expected best recipe, or the best of those that the labelled images clearly prefer to it."""
        names = [classifier] if classifier else list(self.names)
        tried = self.tried(trials, classifier)
        most = max((one.folds for one in tried), default=0)
        if clear := [one for one in tried if one.better and one.folds == most]:
            return max(clear, key=lambda one: one.gain or 0.0).recipe
        right = {trial.key: unpack(trial.right) for trial in trials if trial.classifier in names}
        serving = self._serving(names)
        return self.candidates[self._expected_best(serving, names, right)] if serving else Recipe()

    def _serving(self, names: Sequence[str]) -> list[int]:
        """The candidates that serve each of these classifiers."""
        return [c for c in range(len(self.candidates)) if all(self.serves(c, name) for name in names)]

    def _expected_best(
        self, serving: Sequence[int], names: Sequence[str], right: dict[tuple[int, int, str], NDArray[np.bool_]]
    ) -> int:
        """The first of the candidates, or the first without spread labels where classifiers know better than these.

        A classifier that names more images rightly without them than are expected to be right among them would learn
        their errors: photos that a CNN names at 99 % lost a point with labels of which 98 % were right.
        """
        alone = [c for c in serving if self.candidates[c].spread is None]
        if not alone or alone[0] == serving[0]:
            return serving[0]
        return alone[0] if all(self._knows_better(alone[0], name, right) for name in names) else serving[0]

    def _knows_better(self, alone: int, name: str, right: dict[tuple[int, int, str], NDArray[np.bool_]]) -> bool:
        """Whether a classifier is right more often than spread labels are expected to be, by a standard error."""
        answers = [answered for (c, _, n), answered in right.items() if (c, n) == (alone, name)]
        if not answers:
            return False
        share = float(np.concatenate(answers).mean())
        return share - math.sqrt(share * (1 - share) / len(self.given.labelled)) > self.expected

    def _families(self) -> list[list[int]]:
        """The candidates with newly labelled images and those without, as far as there are any."""
        both = [[c for c, r in enumerate(self.candidates) if (r.spread is not None) is new] for new in (True, False)]
        return [family for family in both if family]

    def _leaders(self, family: Sequence[int]) -> list[int]:
        """The first candidates of a family that serve each classifier."""
        serving = ([c for c in family if self.serves(c, name)] for name in self.names)
        return sorted({c for each in serving for c in each[:LEADERS]})

    def _worth_more(self, families: Sequence[list[int]], trials: Sequence[Trial]) -> list[list[int]]:
        """The families that are not clearly worse than another for every classifier, by their best leaders."""
        of_each = {name: [trial for trial in trials if trial.classifier == name] for name in self.names}
        best = {
            name: [max(f, key=lambda c: self._score(c, of_it)) for f in families] for name, of_it in of_each.items()
        }
        return [
            family
            for i, family in enumerate(families)
            if not all(any(self._loses(ours[i], rival, name, trials) for rival in ours) for name, ours in best.items())
        ]

    def _loses(self, candidate: int, rival: int, name: str, trials: Sequence[Trial]) -> bool:
        """Whether a recipe is clearly worse than another in the folds of both, for one classifier."""
        right = {trial.key: unpack(trial.right) for trial in trials}
        folds = [f for f in range(len(self.folds)) if {(candidate, f, name), (rival, f, name)} <= set(right)]
        if candidate == rival or not folds:
            return False
        gain, error = self._gain(rival, candidate, [name], folds, right)
        return gain > MARGIN * error

    def _among(
        self, alive: Sequence[int], fold: int, seen: list[Trial], out_of_time: Callable[[], bool]
    ) -> Iterator[Trial]:
        """Try in one fold what has not been tried there yet, and add it to what was seen."""
        known = {trial.key for trial in seen}
        wanted = [(c, name) for c in alive for name in self.names if self.serves(c, name)]
        left = [(c, name) for c, name in wanted if (c, fold, name) not in known]
        for trial in self._fold(fold, left, out_of_time):
            seen.append(trial)
            yield trial

    def _fold(self, fold: int, left: Sequence[tuple[int, str]], out_of_time: Callable[[], bool]) -> Iterator[Trial]:
        held = self.folds[fold]
        labels = self.given.labels.copy()
        labels[held] = UNLABELLED
        given = self.given.with_labels(labels)
        X_held = flat(as_floats(self.given.images[held]))
        spreads: dict[str, Spread] = {}
        options: dict[str, classifiers.Options | None] = {}
        for candidate in dict.fromkeys(c for c, _ in left):
            recipe = self.candidates[candidate]
            spread = None
            if recipe.spread is not None:
                how = recipe.spread.model_copy(update={"images": None})
                spread = spreads.setdefault(
                    key := how.model_dump_json(), spreads.get(key) or self.spreader(labels, how)
                )
            training: TrainingSet | None = None
            for name in (name for c, name in left if c == candidate):
                if out_of_time():
                    return
                if training is None:
                    training = make(given, _reduced(recipe, self.given), spread)
                    X = flat(as_floats(training.images))
                if name not in options:
                    options[name] = self._tuned(name, given)
                classifier = classifiers.make(
                    name,
                    given.classes,
                    self.seed % 2**32,
                    options[name],
                    self.device,
                    bounded_steps(name, len(X)),
                    given.images.shape[1:],
                )
                classifier.fit(X, training.labels)
                right = classifier.predict(X_held) == self.given.labels[held]
                yield Trial(candidate, fold, name, pack(right))

    def _tuned(self, name: str, given: Given) -> classifiers.Options | None:
        """A classifier's options, tuned on the labelled images of a fold. MLP and CNN are not tuned, for speed."""
        if name == "mlp":
            return None
        X, y = labelled_samples(given)
        return classifiers.tune(name, X, y, given.classes, self.seed % 2**32, self.device)

    def _better_half(self, alive: Sequence[int], fold: int, trials: Sequence[Trial]) -> list[int]:
        """The half that classified more images rightly before a fold, in the candidates' order, with the expected best.

        Leaders have been tried in later folds too, which the others have not.
        """
        score = {c: self._score(c, [trial for trial in trials if trial.fold < fold]) for c in alive}
        ranked = sorted(alive, key=lambda c: (-score[c], c))
        kept = {*ranked[: max(2, (len(alive) + 1) // 2)], alive[0], *self._first_for_each()}
        return [c for c in alive if c in kept]

    def _first_for_each(self) -> list[int]:
        """The expected best recipe for each classifier, and for all of them."""
        every = range(len(self.candidates))
        return [
            next((c for c in every if all(self.serves(c, name) for name in names)), 0)
            for names in (list(self.names), *([name] for name in self.names))
        ]

    def _score(self, candidate: int, trials: Sequence[Trial]) -> float:
        of_it = [unpack(trial.right) for trial in trials if trial.candidate == candidate]
        return float(np.concatenate(of_it).mean()) if of_it else 0.0

    def _told(
        self,
        candidate: int,
        expected: int,
        names: Sequence[str],
        right: dict[tuple[int, int, str], NDArray[np.bool_]],
    ) -> Tried:
        folds = [fold for fold in range(len(self.folds)) if all((candidate, fold, name) in right for name in names)]
        accuracy = {
            name: 100 * float(np.concatenate(answers).mean())
            for name in names
            if (
                answers := [
                    right[candidate, fold, name] for fold in range(len(self.folds)) if (candidate, fold, name) in right
                ]
            )
        }
        gain = error = None
        common = [fold for fold in folds if all((expected, fold, name) in right for name in names)]
        if candidate != expected and common:
            gain, error = self._gain(candidate, expected, names, common, right)
        recipe = self.candidates[candidate]
        return Tried(recipe, len(folds), accuracy, gain, error, size(self.given, recipe))

    def _gain(
        self,
        candidate: int,
        expected: int,
        names: Sequence[str],
        folds: Sequence[int],
        right: dict[tuple[int, int, str], NDArray[np.bool_]],
    ) -> tuple[float, float]:
        """Mean gain in points and its standard error; each labelled image counts once, by its mean over the folds."""
        total, times = np.zeros(len(self.given.labels)), np.zeros(len(self.given.labels))
        for fold in folds:
            for name in names:
                gained = right[candidate, fold, name].astype(float) - right[expected, fold, name]
                total[self.folds[fold]] += gained
                times[self.folds[fold]] += 1
        gains = 100 * total[times > 0] / times[times > 0]  # [images]
        if len(gains) < 2:
            return float(gains.mean()), float("inf")
        return float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5)


def bounded_steps(classifier: str, images: int) -> int:
    """Steps of a classifier that takes any for a training set: about ten passes over it, at most `MOST_STEPS`."""
    return min(MOST_STEPS, classifiers.steps_of(classifier, images))


MOST_STEPS = 800
"""Steps after which MLP and CNN gain little; each takes about 30 ms on one core, the CNN's with photos of 256x256
about 100 ms."""


def labelled_samples(given: Given) -> tuple[Samples, Rows]:
    """The labelled images as samples float32 [n, d], and their labels int64 [n]."""
    rows = given.labelled
    return flat(as_floats(given.images[rows])), given.labels[rows]


def _reduced(recipe: Recipe, given: Given) -> Recipe:
    """The recipe with fewer images, for speed: the same share of the newly labelled ones for all recipes."""
    base, spread = len(given.labelled), recipe.spread
    if spread is not None:
        wanted = spread.images or given.unlabelled
        newly = wanted if given.unlabelled <= NEWLY else max(1, round(NEWLY / given.unlabelled * wanted))
        base += newly
        spread = spread if newly == wanted else spread.model_copy(update={"images": newly})
    share = min(1.0, MOST_TRIED / (base * (1 + sum(part.copies for part in recipe.parts))))
    parts = [part.model_copy(update={"copies": max(1, round(share * part.copies))}) for part in recipe.parts]
    return recipe.model_copy(update={"spread": spread, "parts": parts})
