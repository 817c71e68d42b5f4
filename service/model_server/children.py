"""The images of children that keep something of their sources: added to these as changes, or warped from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.augment.methods import residual
from latentaug.augment.neighbours import Between
from latentaug.options import Decode
from latentaug.vae.inference import grey_levels
from latentaug.vae.memory import together
from service.model_server.loaded import Floats, Images, LoadedModel

WARPED_AT_ONCE = 1024
"""Children whose sources and neighbours are put side by side at a time, at most."""


class Rendering(NamedTuple):
    """How images are made of latents.

    Attributes:
        decode: the way.
        encode_tiles: tiles that sources may be cut into, by their rows.
        decode_tiles: those of children.
    """

    decode: Decode | None
    encode_tiles: tuple[int, ...]
    decode_tiles: tuple[int, ...]


class Moves(NamedTuple):
    """Where the children of a batch come from.

    Attributes:
        source: int64 [m], rows of the batch's images.
        neighbour: int64 [m], rows of the batch's images; of use only where neighbours are looked for in the request.
        share: float32 [m], how far towards the neighbour; below 0 it is away from it.
    """

    source: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    share: Floats


def render_children(
    model: LoadedModel,
    how: Rendering,
    images: Images,
    means: Floats,
    latents: Floats,
    moves: Moves,
    between: Between,
) -> Images:
    """Make the children's images as changes to their sources, or by warping the sources.

    Args:
        model: the model.
        how: the way, and the tiles.
        images: the sources, uint8 [n, h, w, c].
        means: their latents, float32 [n, latent_dim].
        latents: those of the children, float32 [m, latent_dim].
        moves: where the children come from.
        between: called between pieces of the work.

    Returns:
        uint8 [m, h, w, c].
    """
    if how.decode == "warp":
        return _warped_rows(model, how, images, moves, between)
    children = np.empty((len(latents), *model.row_shape), np.uint8)
    step = together(math.prod(model.row_shape), len(images))
    for start in range(0, len(images), step):  # some sources at a time, as floats take four times the memory
        first, last = np.searchsorted(moves.source, (start, start + step))
        if first < last:
            some, of = slice(start, start + step), moves.source[first:last] - start
            changed = _changed(model, how, images[some], means[some], latents[first:last], of, between)
            for part, levels in changed:
                children[first:last][part] = levels
    return children


def _changed(
    model: LoadedModel,
    how: Rendering,
    images: Images,
    means: Floats,
    latents: Floats,
    source: NDArray[np.int64],
    between: Between,
) -> Iterator[tuple[slice, Images]]:
    """The children of some sources, int64 [m], as changes to these: which rows, and uint8 [rows, h, w, c]."""
    originals = images.astype(np.float32) / np.float32(255)
    reconstructions = np.empty_like(originals)
    for part, (decoded,) in model.mapped("decode", how.encode_tiles, means, between):
        reconstructions[part] = decoded
    for part, (decoded,) in model.mapped("decode", how.decode_tiles, latents, between):
        # The sources of a tile stand together, so their stretch is enough.
        stretch = slice(int(source[part][0]), int(source[part][-1]) + 1)
        moved = residual(originals[stretch], reconstructions[stretch], decoded, source[part] - stretch.start)
        yield part, grey_levels(torch.from_numpy(moved)).numpy()


def _warped_rows(model: LoadedModel, how: Rendering, images: Images, moves: Moves, between: Between) -> Images:
    """Move each source towards its neighbour, or away from it, by its share: uint8 [m, h, w, c]."""
    children = np.empty((len(moves.source), *model.row_shape), np.uint8)
    size = together(math.prod(model.row_shape), WARPED_AT_ONCE)
    for start in range(0, len(children), size):
        rows = slice(start, start + size)
        source, towards = (images[each[rows]] / np.float32(255) for each in (moves.source, moves.neighbour))
        share = np.broadcast_to(moves.share[rows, None, None, None], (*source.shape[:3], 1))
        planes = np.concatenate([source, towards, share], axis=3)  # [rows, h, w, 2 c + 1]
        for part, (levels,) in model.mapped("warp", how.decode_tiles, planes, between):
            children[start:][part] = levels
    return children
