"""How right the labels are that images of the pool were given: over the draws, for each way to give them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from latentaug.evaluation.pool import SPREAD
from latentaug.evaluation.training_sets import labeller_of
from latentaug.evaluation.work_units import Cell


class _Way(NamedTuple):
    """Labels do not hang on the space that a classifier works in, and only spreading knows a VAE."""

    labeller: str
    latent_dim: int | None


@dataclass(frozen=True)
class LabelRow:
    """One way to label images of the pool; all shares are percent, and means over the draws.

    Attributes:
        labeller: "spread", "spread_pixels" or "self_training".
        latent_dim: of the VAE in whose latent space labels are spread; None of the other ways.
        draws: how many there are.
        labelled: images of the pool that got a label in a draw, the mean.
        added: those of them that joined the training sets, the mean.
        right: right labels among those that were given; None where the true ones are not known.
        right_added: right labels among those that joined the training sets; None as above.
        expected: right labels that spreading expected; None of the other ways, which say nothing.
        low: lower end of its 95 % interval.
        high: upper end.
        covered: draws in which the true share lay in the interval; None where there is no interval or no true share.
        on_pixels: draws in which spreading looked for neighbours on pixels, since that suited the labelled images.
    """

    labeller: str
    latent_dim: int | None
    draws: int
    labelled: float
    added: float
    right: float | None
    right_added: float | None
    expected: float | None
    low: float | None
    high: float | None
    covered: int | None
    on_pixels: int


def label_rows(cells: Iterable[Cell]) -> list[LabelRow]:
    """Sum up what the cells of an evaluation say of new labels, way by way in the order in which they come."""
    found: dict[_Way, dict[int, Cell]] = {}
    for cell in cells:
        labeller = labeller_of(cell.arm)
        if labeller is not None and cell.new_labels is not None:
            way = _Way(labeller, cell.latent_dim if labeller == SPREAD else None)
            found.setdefault(way, {}).setdefault(cell.draw, cell)
    return [_row(way, list(by_draw.values())) for way, by_draw in found.items()]


def _row(way: _Way, cells: list[Cell]) -> LabelRow:
    shares = [cell.new_labels for cell in cells if cell.new_labels is not None]
    covers = [share.covers for share in shares if share.covers is not None]
    return LabelRow(
        way.labeller,
        way.latent_dim,
        draws=len(shares),
        labelled=_mean([share.labelled for share in shares]) or 0.0,
        added=_mean([share.added for share in shares]) or 0.0,
        right=_mean([share.right for share in shares]),
        right_added=_mean([share.right_added for share in shares]),
        expected=_mean([share.expected for share in shares]),
        low=_mean([share.low for share in shares]),
        high=_mean([share.high for share in shares]),
        covered=sum(covers) if covers else None,
        on_pixels=sum(share.space == "pixels" for share in shares),
    )


def _mean(values: list[float | None] | list[int]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
