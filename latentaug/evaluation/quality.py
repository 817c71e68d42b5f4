"""How like the real images new ones are, and whether they are copies, as the features of a model tell.

Density and coverage: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.rejection import VOTERS, elected
from latentaug.errors import TooFewImages
from latentaug.evaluation.features import Features, Floats, Progress, Rows, Space, same
from latentaug.evaluation.quality_report import Quality, UnseenKind

NEIGHBOURS = 5
"""The neighbourhood of a real image reaches to so many other real ones, as in the paper."""
FEWEST = 2
"""Fewest real images that new ones can be measured by."""
COPY_PERCENTILE = 1.0
"""A near-copy is as near as this percentile of the real images are to their nearest other one."""
MOST_NEW, MOST_REAL = 10_000, 50_000
"""Most new images that are measured, and most real ones that they are measured by; of more, so many are drawn."""
_SEARCHED, _PLACED = 0.4, 0.8
"""How far a comparison has come once the nearest real images are found, and once neighbourhoods are counted."""


@dataclass(frozen=True)
class Details:
    """What is known of each new image.

    Attributes:
        nearest: row of its nearest training image, int64 [m].
        distance: how far that is, float32 [m].
        density: how many neighbourhoods of real images it lies in, beside what a real one does, float32 [m].
        origin: row of its source or, where that is not known, of its nearest training image, int64 [m].
        moved: how far it is from there, float32 [m].
        copied: whether that makes it a near-copy, bool [m].
        agrees: whether its neighbours vote for its label, bool [m]; false where there is no vote or no label.
    """

    nearest: Rows
    distance: Floats
    density: Floats
    origin: Rows
    moved: Floats
    copied: NDArray[np.bool_]
    agrees: NDArray[np.bool_]


class Real:
    """Training images and the neighbourhood of each, prepared once for many comparisons.

    Args:
        training: all of them, at least 2.
        most: how many are used; of more, so many are drawn, always the same.
        progress: told the share that is done; what it raises ends the work.

    Attributes:
        training: all of them.
        rows: which are used, int64 [n].
        spacing: distance of each to its nearest other one, float32 [n].
        copy_distance: what is no farther from an image than this is a near-copy of it.

    Raises:
        TooFewImages: there are fewer than 2.
    """

    def __init__(self, training: Features, most: int = MOST_REAL, progress: Progress | None = None) -> None:
        if len(training) < FEWEST:
            raise TooFewImages(f"quality is measured beside at least {FEWEST} real images; add some")
        self.training, self.rows = training, drawn(len(training), most)
        self._used = training.take(self.rows)
        self._space = Space(self._used.values)
        others = len(self.rows) - 1
        k = min(NEIGHBOURS, others)
        _, distances = self._space.nearest(
            self._used.values, min(k + 1, others), np.arange(len(self.rows)), progress
        )  # [n, k + 1]
        self.spacing = distances[:, 0]
        self._radii = distances[:, k - 1]  # [n]
        self._inside = self._count_inside(k, tied=np.flatnonzero(distances[:, -1] <= self._radii))
        distinct = np.where(distances > 0, distances, np.inf).min(axis=1)
        distinct = distinct[np.isfinite(distinct)]
        self.copy_distance = float(np.percentile(distinct, COPY_PERCENTILE)) if len(distinct) else 0.0

    def nearest(self, images: Features, progress: Progress | None = None) -> tuple[Rows, Floats]:
        """The row of each one's nearest training image and how far that is, int64 and float32 [m]."""
        rows, distances = self._space.nearest(images.values, 1, progress=progress)
        return self.rows[rows[:, 0]], distances[:, 0]

    def place(self, images: Features, progress: Progress | None = None) -> tuple[Floats, float]:
        """Each one's density, float32 [m], and the coverage of the training images by all of them."""
        density, covered = self._space.within(
            images.values, self._radii, (1 / self._inside).astype(np.float32), progress
        )
        return density, float(covered.mean())

    def expected_coverage(self, images: int) -> float:
        """The coverage by so many real images: by how far fewer new than real ones can cover at most.

        The nearest of k others and m new ones are all others with the probability of drawing them so.
        """
        n, k = len(self.rows), min(NEIGHBOURS, len(self.rows) - 1)
        taken = np.arange(k)
        return 1 - float(np.prod((n - 1 - taken) / (n - 1 + images - taken)))

    def agreement(self, images: Features, source: Rows | None = None) -> NDArray[np.bool_] | None:
        """Whether the nearest labelled training images vote for each one's own label, bool [m].

        Args:
            images: of which some may have no label; they agree with none.
            source: int64 [m], training images that have no vote on those made from them.

        Returns:
            None where no vote can be held, for want of labels on either side.
        """
        voters = self._used.labelled
        voting = min(VOTERS, len(voters) - (source is not None))
        if not len(images.labelled) or voting < 1:
            return None
        place = np.full(len(self.training), -1, np.int64)
        place[self.rows[voters]] = np.arange(len(voters))
        electorate = self._used.take(voters)
        found, _ = Space(electorate.values).nearest(images.values, voting, None if source is None else place[source])
        assert electorate.labels is not None and images.labels is not None  # noqa: S101, PT018 (some are labelled)
        agrees: NDArray[np.bool_] = elected(electorate.labels[found]) == images.labels
        return agrees

    def _count_inside(self, k: int, tied: Rows) -> Rows:
        """How many others each neighbourhood holds: k, or more where several are equally far."""
        inside = np.full(len(self.rows), k, np.int64)
        crowds = self._space.crowds(self._used.values[tied], self._radii[tied])
        inside[tied] = np.maximum(k, crowds - 1)
        return inside


@dataclass(frozen=True)
class Unseen:
    """What is measured of real images that nothing was made from, to set new ones beside.

    Attributes:
        kind: whose they are.
        distance: of each to its nearest training image, float32 [h].
        agreement: share of the labelled ones for whose label their neighbours vote; None where there is no vote.
    """

    kind: UnseenKind
    distance: Floats
    agreement: float | None


def held_out(real: Real, images: Features, progress: Progress | None = None) -> Unseen:
    """Images of the validation and test parts, at least one."""
    return Unseen("held_out", real.nearest(images, progress)[1], _share(real.agreement(images), images))


def left_out(real: Real) -> Unseen:
    """The training images themselves, each beside all others."""
    rows = real.rows[drawn(len(real.rows), MOST_NEW)]
    some = real.training.take(rows)
    return Unseen("left_out", real.spacing, _share(real.agreement(some, rows), some))


def compare(
    real: Real, new: Features, unseen: Unseen, source: Rows | None = None, progress: Progress | None = None
) -> tuple[Quality, Details]:
    """Set new images beside real ones.

    Args:
        real: the training images.
        new: the new images, at least one.
        unseen: real images that nothing was made from.
        source: int64 [m], the training image that each was made from; None where that is not known.
        progress: told the share that is done; what it raises ends the work.
    """
    tell = progress or _nothing
    nearest, distance = real.nearest(new, lambda done: tell(_SEARCHED * done))
    density, coverage = real.place(new, lambda done: tell(_SEARCHED + (_PLACED - _SEARCHED) * done))
    agrees = real.agreement(new, source)
    origin, moved = nearest, distance
    if source is not None:
        origin, gaps = source, new.values - real.training.values[source]  # [m, d]
        moved = np.where(same(gaps, new.values), 0, np.linalg.norm(gaps, axis=1)).astype(np.float32)
    copied = moved <= real.copy_distance
    quality = Quality(
        new_images=len(new),
        real_images=len(real.rows),
        unseen=unseen.kind,
        unseen_images=len(unseen.distance),
        density=float(density.mean()),
        coverage=coverage,
        coverage_if_real=real.expected_coverage(len(new)),
        nearer_than_unseen=_share_nearer(distance, unseen.distance),
        near_copies=float(copied.mean()),
        near_copies_of="training" if source is None else "source",
        near_copy_distance=real.copy_distance,
        label_agreement=_share(agrees, new),
        label_agreement_of_unseen=None if agrees is None else unseen.agreement,
    )
    none_agrees = np.zeros(len(new), np.bool_)
    return quality, Details(
        nearest, distance, density, origin, moved, copied, none_agrees if agrees is None else agrees
    )


def drawn(count: int, most: int) -> Rows:
    """All of `count` rows or, where there are more than `most`, so many, always the same; int64, ascending."""
    rows = np.arange(count)
    return rows if count <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _share_nearer(new: Floats, unseen: Floats) -> float:
    """The chance that one of the first distances is smaller than one of the second; equal ones count half."""
    ordered = np.sort(unseen)
    farther = len(ordered) - np.searchsorted(ordered, new, "right")  # [m]
    equal = len(ordered) - np.searchsorted(ordered, new, "left") - farther
    return float((farther + equal / 2).mean() / len(ordered))


def _share(agrees: NDArray[np.bool_] | None, images: Features) -> float | None:
    """Which part of the labelled images agree."""
    return None if agrees is None else float(agrees[images.labelled].mean())


def _nothing(_: float) -> None:
    """Tell nobody."""
