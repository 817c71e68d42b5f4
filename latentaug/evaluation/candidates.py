"""The recipes that a recommendation chooses among, the one that is expected to be best first.

The order is what was measured before on MNIST and digits (docs/results): labels spread over very many unlabelled images
and one affine copy of each are best wherever there are unlabelled images, and affine copies where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence

from latentaug.evaluation.recipes import PLAIN, Given, size
from latentaug.options import METHODS, LabelSpace, Method, Part, Recipe, Spreading

MOST_NEWLY = 12_000
"""Newly labelled images that an SVM can learn from in a minute. Fewer made it worse: with 6,000 of MNIST's, 97.1 %
instead of 97.7 %."""
DOSES = (10, 30, 3, 1)
"""Copies of each labelled image that are tried where these are all there is, the most promising first."""
MOST_ROWS = {"svm": 30_000, "mlp": 60_000, "knn": 200_000}
"""Images that a classifier learns from in reasonable time. An SVM's grows with the square of their number."""


_MIXED: Sequence[Method] = ("interpolation", "extrapolation")
_Found = tuple[Spreading | None, list[Part]]


def candidates(given: Given, model: str | None, space: LabelSpace, seed: int) -> list[Recipe]:
    """All recipes that can be made of these images, in the order of what is expected of them.

    Args:
        given: the labelled and the unlabelled images.
        model: name of the VAE, if there is one.
        space: where labels are spread, "latent" or "pixels".
        seed: of every recipe.
    """
    found = [*_with_the_unlabelled(given, model, space), *_with_the_labelled_alone(model)]
    recipes = [Recipe(model=model, spread=spread, parts=parts, seed=seed) for spread, parts in found]
    makable = [recipe for recipe in recipes if all(part.source in (*PLAIN, *METHODS) for part in recipe.parts)]
    few = min(MOST_ROWS.values())
    return [recipe for recipe in makable if not recipe.parts or size(given, recipe) <= few]


def affordable(classifier: str, images: int) -> bool:
    """Whether a classifier learns from so many images in reasonable time."""
    return images <= MOST_ROWS[classifier]


def _with_the_unlabelled(given: Given, model: str | None, space: LabelSpace) -> list[_Found]:
    if not given.unlabelled:
        return []
    many = given.unlabelled > MOST_NEWLY
    some = Spreading(space=space, images=MOST_NEWLY if many else None)
    every = Spreading(space=space)
    surest = Spreading(space=space, keep=0.5, images=some.images)
    affine = Part(source="affine")
    found: list[_Found] = [(some, [affine])]
    if many:
        found.append((every, []))
    found += [
        (some, []),
        (some, [Part(source="affine", copies=3)]),
        (surest, [affine]),
        (some, [Part(source="elastic")]),
        (some, [affine, Part(source="warp")]),
    ]
    if model is not None:
        found += [(some, [affine, Part(source=method)]) for method in _MIXED]
    return found


def _with_the_labelled_alone(model: str | None) -> list[_Found]:
    doses = [[Part(source="affine", copies=copies)] for copies in DOSES]
    ten = doses[0]
    others = [[Part(source="elastic", copies=10)], [*ten, Part(source="warp", copies=10)]]
    if model is not None:
        others += [
            [*ten, *(Part(source=method, copies=10) for method in mixed)] for mixed in (_MIXED, _MIXED[:1], _MIXED[1:])
        ]
        others += [[*ten, Part(source="extrapolation", copies=10, alpha=0.25)]]
        others += [[Part(source=method, copies=10)] for method in METHODS]
    plain: list[list[Part]] = [doses[0], doses[1], *others, *doses[2:], []]
    return [(None, parts) for parts in plain]
