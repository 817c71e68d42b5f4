"""Any number of children of each latent, some of which filters may turn away.

The children of a source are numbered. Child j moves towards the source's neighbour j mod k, so that neighbours serve
evenly. From child k on neighbours serve again, and the child goes a share of alpha that is drawn evenly from 0..1, for
the whole of it would give the same child again. A child depends on nothing but the arguments, its source and its
number: what a filter turns away elsewhere does not change it, so it can be made again.

Children are made in rounds. Each round makes as many as are still missing, and then the filters look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from latentaug.augment import randomness
from latentaug.augment.methods import Altered, check_alpha, move
from latentaug.augment.neighbours import Between, Floats, Latents, Reference, Rows, go_on, neighbours
from latentaug.augment.rejection import ACCEPTED, Filters
from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput
from latentaug.options import FILTERS, MAX_RETRIES

_CHUNK = 2**19
"""Numbers of latents made at a time, so that what lies between takes a moment, and little memory."""


@dataclass(frozen=True)
class Children(Altered):
    """New latents by source, and those of one source by number.

    Attributes:
        number: int64 [m], each child's number among those of its source, from 0; the numbers of children that were
            turned away are missing.
        share: float32 [m], how far each child went: alpha, or a share of it.
    """

    number: Rows
    share: Floats

    def take(self, chosen: NDArray[np.bool_] | Rows) -> Children:
        """The chosen children, in the order in which they are chosen."""
        return Children(*(getattr(self, column.name)[chosen] for column in fields(Children)))


@dataclass(frozen=True)
class Counted(Children):
    """All children that the filters let through.

    Attributes:
        refused: int64 [n, filters], how many children of each source each filter turned away.
    """

    refused: Rows


def alter_in_rounds(
    latents: Latents,
    counts: Rows,
    *,
    method: str,
    alpha: float,
    k: int,
    sigma: Floats,
    seed: int,
    retries: int,
    labels: Rows | None = None,
    reference: Reference | None = None,
    filters: Sequence[str] = (),
    between: Between = go_on,
) -> Counted:
    """Make `counts` children of each latent.

    Args:
        latents: float32 [n, d].
        counts: int64 [n], how many children each source shall have, 0 or more.
        method: one of `methods.METHODS`.
        alpha: how far children go: 0..10, and 0..1 for interpolation.
        k: neighbours of each source; noise has none.
        sigma: float32 [d], standard deviations over the projected data set.
        seed: seed of noise and shares.
        retries: how many more children of a source are made, 0..100, in place of those that were turned away; what is
            still missing then stays missing.
        labels: int64 [n]; neighbours have the same label, and those of an `UNLABELLED` latent have any or none. None
            allows any for all.
        reference: where to look for neighbours; None means among the sources.
        filters: the names in `rejection.FILTERS` of those that look at the children.
        between: called between rounds and between pieces of each.

    Raises:
        InvalidInput: an argument out of range.
        ClassTooSmall: a class has fewer than k neighbours.
    """
    check_alpha(method, alpha)
    if counts.shape != (len(latents),) or (counts < 0).any():
        raise InvalidInput(f"counts have the shape {list(counts.shape)}; send one for each image, 0 or more")
    if not 0 <= retries <= MAX_RETRIES:
        raise InvalidInput(f"retries is {retries}; use 0 to {MAX_RETRIES}")
    nearest = None if method == "noise" else _neighbours(latents, labels, counts, k, reference, between)  # [n, k]
    pool = reference or Reference(latents, labels)
    judge = Filters(filters, latents, labels, pool, between)
    maker = _Maker(latents, pool.latents, nearest, method, alpha, sigma, seed, between)
    most = counts + (retries if filters else 0)
    missing, made = counts, np.zeros_like(counts)  # of each source
    refused = np.zeros((len(latents), len(FILTERS)), np.int64)
    kept = [maker.make(*_next(made, made))]  # no children yet
    while (wanted := np.minimum(missing, most - made)).any():
        children = maker.make(*_next(made, wanted))
        verdict = judge.judge(children.latents, children.source)
        accepted = verdict == ACCEPTED
        np.add.at(refused, (children.source[~accepted], verdict[~accepted]), 1)
        kept.append(children.take(accepted))
        made = made + wanted
        missing = missing - np.bincount(kept[-1].source, minlength=len(counts))
    return Counted(**vars(_joined(kept)), refused=refused)


@dataclass(frozen=True)
class _Maker:
    """Makes any child from its source and its number.

    Attributes:
        latents: float32 [n, d], the sources.
        pool: float32 [r, d], the latents among which neighbours are.
        nearest: int64 [n, k], rows of `pool`, the neighbours of each source; None for noise.
        between: called between pieces of the work.
    """

    latents: Latents
    pool: Latents
    nearest: Rows | None
    method: str
    alpha: float
    sigma: Floats
    seed: int
    between: Between

    def make(self, source: Rows, number: Rows) -> Children:
        """Make one child of each source: the one with the number beside it. Both are int64 [m]."""
        share = np.full(len(source), self.alpha, np.float32)
        if self.nearest is None:
            neighbour = np.full(len(source), -1, np.int64)
        else:
            k = self.nearest.shape[1]
            neighbour, again = self.nearest[source, number % k], number >= k
            share[again] *= randomness.uniform(self.seed, number[again], source[again])
        moved = np.empty((len(source), self.latents.shape[1]), np.float32)
        step = max(1, _CHUNK // moved.shape[1])
        for start in range(0, len(source), step):
            self.between()
            part = slice(start, start + step)
            if self.nearest is None:
                towards = randomness.normal(self.seed, number[part], source[part], moved.shape[1])
            else:
                towards = self.pool[neighbour[part]]
            moved[part] = move(self.latents[source[part]], towards, share[part, None], self.method, self.sigma)
        return Children(moved, source, neighbour, number, share)


def _neighbours(
    latents: Latents, labels: Rows | None, counts: Rows, k: int, reference: Reference | None, between: Between
) -> Rows:
    """The neighbours of each latent, int64 [n, k].

    Where no unlabelled latent has children, those of unlabelled latents are zeros: they may be many, and a search among
    all takes long.
    """
    labelled = np.arange(len(latents)) if labels is None else np.flatnonzero(labels != UNLABELLED)
    if labels is None or len(labelled) in (0, len(latents)) or counts[labels == UNLABELLED].any():
        return neighbours(latents, labels, k, reference, between=between)
    found = neighbours(latents[labelled], labels[labelled], k, reference, between=between)
    nearest = np.zeros((len(latents), k), np.int64)
    nearest[labelled] = labelled[found] if reference is None else found
    return nearest


def _next(made: Rows, wanted: Rows) -> tuple[Rows, Rows]:
    """Source and number, int64 [m] each, of the `wanted` children that follow the first `made` of each source."""
    source = np.repeat(np.arange(len(wanted)), wanted)
    start = np.cumsum(wanted) - wanted  # where the children of each source begin
    return source, np.arange(len(source)) - start[source] + made[source]


def _joined(parts: Sequence[Children]) -> Children:
    """All children, by source and then by number."""
    columns = ([getattr(part, column.name) for part in parts] for column in fields(Children))
    together = Children(*(np.concatenate(column) for column in columns))
    return together.take(np.argsort(together.source, kind="stable"))  # later parts have higher numbers
