"""Spreads labels over the same images again and again, for one fold or draw after the other."""

from __future__ import annotations

from latentaug.augment.similarity import Neighbourhoods, Space
from latentaug.augment.spreading import Spread, Told, spread_over
from latentaug.evaluation.recipes import Given, Rows
from latentaug.options import Spreading


class Spreader:
    """Labels of all images from those of some; which images are alike is found out once.

    Args:
        given: the images and their latents.
        seed: of the spreading.
        progress: told how far the first spreading has come, 0..1, and what it is at; later ones are quick.
    """

    def __init__(self, given: Given, seed: int, progress: Told | None = None) -> None:
        self._classes, self._seed, self._progress = given.classes, seed, progress
        self._neighbourhoods = Neighbourhoods(given.images, given.latents)

    def __call__(self, labels: Rows, how: Spreading) -> Spread:
        """Spread labels, int64 [n], over the images that have none."""
        found = spread_over(
            self._neighbourhoods,
            labels,
            self._classes,
            space=how.space,
            keep=how.keep,
            seed=self._seed,
            progress=self._progress,
        )
        self._progress = None
        return found

    def prospects(self, labels: Rows) -> tuple[Space, float]:
        """Where labels are spread best, and the share of them that is expected to be right, 0..1.

        Both are what the left-out ones among them tell.
        """
        found = self(labels, Spreading())
        return found.space, found.expected.mean
