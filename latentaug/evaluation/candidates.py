"""The recipes that a recommendation chooses among, the one that is expected to be best first.

The order follows from trials, which `bench.labels` and `bench.recommend` repeat. Where labels spread well, as on
digits, newly labelled images are worth far more than any copies of the labelled ones, and the more of them the better.
To an SVM one affine copy of each is worth as much as so many more of them, to kNN it is not. So all that can be had are
taken, and copies only where there is room. Where labels spread badly, many copies of the labelled images are better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from latentaug.evaluation.recipes import WITH_NEIGHBOURS, Given, size
from latentaug.options import METHODS, LabelSpace, Method, Part, Recipe, Spreading

FEW_NEWLY = 12_000
"""A smaller number of newly labelled images, which is tried where there are many."""
TRUSTED = 0.7
"""Share of right labels that spreading must expect of itself for newly labelled images to be expected to be best. It
expects 0.98 on MNIST, 0.97 on digits and on crops of photographs, where they are, and 0.5 on handwriting of 62 classes
and on emoji, where they are not."""
DOSES = (30, 10, 3, 1)
"""Copies of each labelled image that are tried where these are all there is, the most promising first."""
MOST_ROWS = {"svm": 60_000, "mlp": 200_000, "knn": 200_000, "cnn": 200_000}
"""Images of 28x28 that a classifier learns from in a minute or two. MLP and CNN take no more than `search.MOST_STEPS`,
so that of them it is the memory that grows."""
_NUMBERS = 28 * 28
_FOLDABLE = 3  # images of each class: one left out, and two that are neighbours

_MIXED: Sequence[Method] = ("interpolation", "extrapolation")
_Found = tuple[Spreading | None, list[Part]]


def candidates(
    given: Given, model: str | None, seed: int, space: LabelSpace = "pixels", expected: float = 1.0
) -> list[Recipe]:
    """All recipes that can be made of these images, in the order of what is expected of them.

    Args:
        given: the labelled and the unlabelled images.
        model: name of the VAE, if there is one.
        seed: of every recipe.
        space: where labels are spread, "latent" or "pixels".
        expected: share of these labels that are expected to be right, 0..1.
    """
    both = [_with_the_unlabelled(given, model, space), _with_the_labelled_alone(model)]
    found = [each for family in (both if expected >= TRUSTED else both[::-1]) for each in family]
    recipes = [Recipe(model=model, spread=spread, parts=parts, seed=seed) for spread, parts in found]
    return [recipe for recipe in recipes if _makable(given, recipe) and affordable("knn", given, recipe)]


def _makable(given: Given, recipe: Recipe) -> bool:
    """Whether neighbours are left in each class, even where a fold has left out an image of it."""
    smallest = min(np.unique(given.labels[given.labelled], return_counts=True)[1], default=0)
    return smallest >= _FOLDABLE or not any(part.source in WITH_NEIGHBOURS for part in recipe.parts)


def affordable(classifier: str, given: Given, recipe: Recipe) -> bool:
    """Whether a classifier learns from a recipe's training set in reasonable time.

    Time grows with the numbers in each image, and an SVM's with the square of how many images there are.
    """
    return size(given, recipe) <= most_rows(classifier, given)


def most_rows(classifier: str, given: Given) -> int:
    """How many images of this size a classifier learns from in reasonable time."""
    share = min(1.0, _NUMBERS / math.prod(given.images.shape[1:]))
    return round(MOST_ROWS[classifier] * (share**0.5 if classifier == "svm" else share))


def _with_the_unlabelled(given: Given, model: str | None, space: LabelSpace) -> list[_Found]:
    if not given.unlabelled:
        return []
    most = most_rows("svm", given) - len(given.labelled)
    every = Spreading(space=space)
    some = every if given.unlabelled <= most else Spreading(space=space, images=most)
    few = Spreading(space=space, images=min(FEW_NEWLY, most // 2))
    affine = Part(source="affine")
    room = 2 * (given.unlabelled + len(given.labelled)) <= most
    mixed = some if room else few
    found: list[_Found] = [(some, [affine] if room else []), (some, [])]
    if some is not every:
        found.append((every, []))
    found += [
        (mixed, [Part(source="affine", copies=3)]),
        (mixed, [Part(source="elastic")]),
        (mixed, [affine, Part(source="warp")]),
        (mixed, [affine]),
        (Spreading(space=space, keep=0.5, images=mixed.images), [affine]),
    ]
    if model is not None:
        found += [(mixed, [affine, Part(source=method)]) for method in _MIXED]
    distinct = {(spread, tuple(parts)): (spread, parts) for spread, parts in found}
    return list(distinct.values())


def _with_the_labelled_alone(model: str | None) -> list[_Found]:
    doses = [[Part(source="affine", copies=copies)] for copies in DOSES]
    ten = doses[DOSES.index(10)]
    others = [[Part(source="warp", copies=30)], [Part(source="warp", copies=10)], [Part(source="elastic", copies=10)]]
    if model is not None:
        others += [
            [*ten, *(Part(source=method, copies=10) for method in mixed)] for mixed in (_MIXED, _MIXED[:1], _MIXED[1:])
        ]
        others += [[*ten, Part(source="extrapolation", copies=10, alpha=0.25)]]
        others += [[Part(source=method, copies=10)] for method in METHODS]
    plain: list[list[Part]] = [doses[0], doses[1], *others, *doses[2:], []]
    return [(None, parts) for parts in plain]
