"""What a search tries, and what it says of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from latentaug.options import Recipe

MARGIN = 2.0
"""Standard errors by which a recipe must be better than the expected best to take its place. One would be passed by
chance in every sixth comparison, and there are many."""


@dataclass(frozen=True)
class Trial:
    """One classifier that learned from one recipe's training set in one fold. Plain values only.

    Attributes:
        candidate: the recipe's place among the candidates.
        fold: from 0, over all repeats.
        classifier: its name.
        right: which of the images left out it classified rightly, as `work_units.pack` writes it.
    """

    candidate: int
    fold: int
    classifier: str
    right: str

    @property
    def key(self) -> tuple[int, int, str]:
        """What was tried."""
        return self.candidate, self.fold, self.classifier


@dataclass(frozen=True)
class Tried:
    """What the search says of a recipe.

    Attributes:
        recipe: what was tried.
        folds: in how many folds.
        accuracy: percent of the images left out, by classifier; classifiers that it was not tried with are missing.
        gain: points over the expected best recipe in the same folds, mean over the classifiers; None for that recipe.
        error: standard error of `gain`, over the labelled images.
        image_count: how many images the whole training set has, at most.
    """

    recipe: Recipe
    folds: int
    accuracy: dict[str, float]
    gain: float | None
    error: float | None
    image_count: int

    @property
    def better(self) -> bool:
        """Whether it is clearly better than the expected best."""
        return self.gain is not None and self.error is not None and self.gain > MARGIN * self.error and self.gain > 0
