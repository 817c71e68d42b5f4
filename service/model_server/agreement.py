"""Which tiles of a model compute a row to the same last bit, so that rows may share any of them.

A kernel may sum in another order where a tile has more rows. On the processor that we tried, an AMD EPYC, none does
from four rows on. Nothing promises that, so a model's tiles are compared on random rows when it is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from latentaug.augment.neighbours import Between
from service.model_server.loaded import LoadedModel
from service.oip.tensors import Array

NUMBERS = 2048
"""Numbers that are compared at least. Of sums in another order, one in a hundred or more differs."""


def agreeing(model: LoadedModel, between: Between) -> tuple[tuple[int, ...], ...]:
    """The model's tiles in families that agree, by their rows, ascending; each of them is computed at least once.

    Args:
        model: the model, in its place.
        between: called between pieces of the work.
    """
    families: list[list[int]] = []
    known: dict[int, list[Array]] = {}
    for tile in reversed(model.tile_sizes):
        known[tile] = [*_computed(model, "encode", tile, between), *_computed(model, "decode", tile, between)]
        family = next((each for each in families if _equal(known[each[-1]], known[tile])), None)
        if family is None:
            families.append([tile])
        else:
            family.insert(0, tile)
    return tuple(tuple(family) for family in reversed(families))


def _computed(model: LoadedModel, name: Literal["encode", "decode"], tile: int, between: Between) -> Iterator[Array]:
    """A function's results for rows that are the same for all tiles: at least for one at each place of the largest."""
    latent_dim = model.description.latent_dim
    numbers = 2 * latent_dim if name == "encode" else math.prod(model.row_shape)
    rng = np.random.default_rng(0)
    n = max(model.tile_sizes[-1], -(-NUMBERS // numbers))
    rows: Array
    if name == "encode":
        rows = rng.integers(0, 256, (n, *model.row_shape), np.uint8)
    else:
        rows = rng.standard_normal((n, latent_dim), np.float32)
    parts = [[np.copy(each) for each in results] for _, results in model.mapped(name, (tile,), rows, between)]
    return (np.concatenate(results) for results in zip(*parts, strict=True))


def _equal(some: list[Array], others: list[Array]) -> bool:
    """Whether results are the same to the last bit."""
    return all(one.tobytes() == other.tobytes() for one, other in zip(some, others, strict=True))
