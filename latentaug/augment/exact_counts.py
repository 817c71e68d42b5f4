"""New latents in exact numbers, in rounds: each round gives a child to every source that still wants one.

Round j moves a source towards its neighbour j mod k, so that neighbours serve evenly; from round k on by a share of
alpha drawn evenly from 0..1, for the same step to the same neighbour would give the same child. Noise is drawn anew
each round. Round j of a source depends on nothing but the arguments and j: what a filter turned away elsewhere does not
change it, so a child can be made again from its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentaug.augment.methods import Altered, check_alpha
from latentaug.augment.neighbours import Floats, Latents, Reference, Rows, neighbours
from latentaug.augment.rejection import ACCEPTED, Filters
from latentaug.errors import InvalidInput
from latentaug.options import FILTERS

MAX_RETRIES = 100


@dataclass(frozen=True)
class Rounds(Altered):
    """New latents, by source and then by round.

    Attributes:
        child: int64 [m], the round in which each was made, from 0.
        step: float32 [m], how far each went: alpha, or a share of it.
        refused: int64 [n, filters], children that each filter turned away, by source.
    """

    child: Rows
    step: Floats
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
    labels: Rows | None,
    reference: Reference | None = None,
    filters: Sequence[str] = (),
    retries: int = 10,
) -> Rounds:
    """Make `counts` new latents of each source by equation 8, 9 or 10.

    Args:
        latents: float32 [n, d].
        counts: int64 [n], children of each source, from 0.
        method: one of `generation.METHODS`.
        alpha: how far.
        k: neighbours of each source.
        sigma: float32 [d].
        seed: of noise and steps.
        labels: int64 [n], or None.
        reference: to look for neighbours in, or None for the sources.
        filters: names of `FILTERS` that may turn children away.
        retries: further rounds, 0..100, for those turned away; what then lacks is not made.

    Raises:
        InvalidInput: an argument out of range.
        ClassTooSmall: a class has fewer than k neighbours.
    """
    check_alpha(method, alpha)
    if counts.shape != (len(latents),) or (counts < 0).any():
        raise InvalidInput(f"counts have the shape {list(counts.shape)}; send one for each image, 0 or more")
    if not 0 <= retries <= MAX_RETRIES:
        raise InvalidInput(f"retries is {retries}; use 0 to {MAX_RETRIES}")
    nearest = None if method == "noise" else neighbours(latents, labels, k, reference)  # [n, k]
    pool = reference or Reference(latents, labels)
    judge = Filters(filters, latents, labels, pool)
    wanted, refused = counts.copy(), np.zeros((len(latents), len(FILTERS)), np.int64)
    parts = [Rounds(*_nothing(latents), refused)]
    for number in range(int(counts.max(initial=0)) + (retries if filters else 0)):
        rows = np.flatnonzero(wanted)
        if not len(rows):
            break
        made = _round(number, rows, latents, pool.latents, nearest, method, alpha, sigma, seed, refused)
        verdict = judge.judge(made.latents, rows)
        for name in range(len(FILTERS)):
            refused[rows[verdict == name], name] += 1
        kept = verdict == ACCEPTED
        wanted[rows[kept]] -= 1
        parts.append(_take(made, kept))
    return _joined(parts, refused)


def _round(
    number: int,
    rows: Rows,
    latents: Latents,
    pool: Latents,
    nearest: Rows | None,
    method: str,
    alpha: float,
    sigma: Floats,
    seed: int,
    refused: Rows,
) -> Rounds:
    """One child of each of the rows."""
    draws = np.random.default_rng([seed, number])
    origin, child = latents[rows], np.full(len(rows), number, np.int64)
    step = np.full(len(rows), alpha, np.float32)
    if nearest is None:
        noise = draws.standard_normal(latents.shape, dtype=np.float32)[rows]  # [rows, d]
        return Rounds(origin + step[:, None] * sigma * noise, rows, np.full(len(rows), -1), child, step, refused)
    k = nearest.shape[1]
    if number >= k:
        step *= draws.random(len(latents), dtype=np.float32)[rows]
    neighbour = nearest[rows, number % k]
    towards = pool[neighbour]
    direction = towards - origin if method == "interpolation" else origin - towards
    return Rounds(direction * step[:, None] + origin, rows, neighbour, child, step, refused)


def _nothing(latents: Latents) -> tuple[Latents, Rows, Rows, Rows, Floats]:
    none = np.empty(0, np.int64)
    return latents[:0], none, none, none, np.empty(0, np.float32)


def _take(made: Rounds, kept: Rows) -> Rounds:
    return Rounds(
        made.latents[kept], made.source[kept], made.neighbour[kept], made.child[kept], made.step[kept], made.refused
    )


def _joined(parts: Sequence[Rounds], refused: Rows) -> Rounds:
    source = np.concatenate([part.source for part in parts])
    order = np.argsort(source, kind="stable")  # rounds stay in order within a source
    return Rounds(
        np.concatenate([part.latents for part in parts])[order],
        source[order],
        np.concatenate([part.neighbour for part in parts])[order],
        np.concatenate([part.child for part in parts])[order],
        np.concatenate([part.step for part in parts])[order],
        refused,
    )
