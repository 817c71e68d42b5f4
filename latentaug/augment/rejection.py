"""Filters that turn children away before they are decoded: those of another label, hardly new, or far from the real.

They are not in the paper. All three look at distances in latent space, to the same real latents among which neighbours
are looked for, and compare them with the distance that a real latent typically has to its nearest other one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.neighbours import Between, Latents, Reference, Rows, go_on
from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput
from latentaug.options import FILTERS

VOTERS = 5
"""How many of the nearest real latents vote on a child's label."""
NEAR = 0.1
"""A child nearer to its source than this part of the typical distance is hardly new."""
FAR_QUANTILE = 0.99
"""A child is off the manifold if this part of the real latents are nearer to their nearest one than it is."""
ACCEPTED = -1


class Filters:
    """Judges children.

    Args:
        names: which of `FILTERS` to apply.
        latents: float32 [n, d], the sources.
        labels: int64 [n], the sources' labels, or None. Children of an `UNLABELLED` source have no label to lose, so
            the filter by label lets them through.
        pool: the real latents: the sources, or those of a data set.
        between: called between pieces of the work.

    Raises:
        InvalidInput: an unknown name, no labels to vote by, or fewer than two real latents to measure by.
    """

    def __init__(
        self, names: Sequence[str], latents: Latents, labels: Rows | None, pool: Reference, between: Between = go_on
    ) -> None:
        if unknown := set(names) - set(FILTERS):
            raise InvalidInput(f"there is no filter {sorted(unknown)[0]!r}; there are {', '.join(FILTERS)}")
        voters = _labelled(pool)
        if "label" in names and (labels is None or voters is None):
            raise InvalidInput(
                "reject_label compares labels, and there are none; send labels, or leave reject_label out"
            )
        if names and len(pool.latents) < 2:
            raise InvalidInput(
                "filters compare distances between at least two real images; send more, or use neighbours=dataset"
            )
        self._names, self._latents, self._labels, self._pool, self._voters = names, latents, labels, pool, voters
        self._between = between

    def judge(self, children: Latents, source: Rows) -> NDArray[np.int64]:
        """For each child the number of the first filter that turns it away, or `ACCEPTED`.

        Args:
            children: float32 [m, d].
            source: int64 [m], the row of each child's source.
        """
        verdict = np.full(len(children), ACCEPTED, np.int64)
        for number in reversed([FILTERS.index(name) for name in self._names]):  # so that the first one stands
            verdict[self._refused(FILTERS[number], children, source)] = number
        return verdict

    def _refused(self, name: str, children: Latents, source: Rows) -> NDArray[np.bool_]:
        refused: NDArray[np.bool_]
        if name == "copies":
            moved = np.linalg.norm(children - self._latents[source], axis=1)
            refused = moved < NEAR * np.median(self._pool.spacing(self._between))
        elif name == "off_manifold":
            _, distances = self._pool.nearest(children, 1, self._between)
            refused = distances[:, 0] > np.quantile(self._pool.spacing(self._between), FAR_QUANTILE)
        else:
            own = self._own(source)
            refused = (own != UNLABELLED) & (self._vote(children) != own)
        return refused

    def _vote(self, children: Latents) -> Rows:
        """The label that most of the nearest labelled latents have; of equals, the one that has the nearest of them."""
        voters = self._voters or self._pool
        nearest, _ = voters.nearest(children, VOTERS, self._between)
        labels = voters.labels if voters.labels is not None else np.zeros(len(voters.latents), np.int64)
        return elected(labels[nearest])

    def _own(self, source: Rows) -> Rows:
        return np.zeros(len(source), np.int64) if self._labels is None else self._labels[source]


def elected(votes: Rows) -> Rows:
    """The label with the most votes, int64 [m], of votes int64 [m, voters]; of equals, the one that comes first."""
    support = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)  # [m, voters], votes for each voter's label
    winner: Rows = votes[np.arange(len(votes)), support.argmax(axis=1)]
    return winner


def _labelled(pool: Reference) -> Reference | None:
    """The latents that have a label, which alone may vote; None if there are none."""
    if pool.labels is None or (pool.labels == UNLABELLED).all():
        return None
    labelled = pool.labels != UNLABELLED
    return pool if labelled.all() else Reference(pool.latents[labelled], pool.labels[labelled])
