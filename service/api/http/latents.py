"""Reads latents, with options, from request bodies of every form that the API takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import InvalidInput, TooLarge
from latentaug.imaging.archives import read_npy, read_npz
from latentaug.imaging.pixels import Limits
from latentaug.options import MAX_LATENT_DIM
from service.api.http import media
from service.api.http.bodies import only
from service.api.http.json_bodies import read_json


@dataclass(frozen=True)
class LatentBatch:
    """The latents of a request, finite float32 [n, latent_dim], and the options in its body."""

    latents: NDArray[np.float32]
    fields: Mapping[str, object] = field(default_factory=dict)


def read_latents(form: str, body: bytes, latent_dim: int, limits: Limits) -> LatentBatch:
    """Read latents from a body in any of `media.LATENT_BODIES`.

    Raises:
        MalformedInput: the bytes are not what they claim to be.
        InvalidInput: there are none, they are not `latent_dim` wide, or are not finite in float32.
        TooLarge: there are more than `limits.max_images`.
    """
    fields: dict[str, object] = {}
    if form == media.JSON:
        fields = read_json(body, limits.max_images * (MAX_LATENT_DIM + 2))
        array = _latent_array(fields.pop("latents", None))
    elif form == media.NPZ:
        arrays = read_npz(body, limits)
        array = only(arrays, "latents")
    else:
        array = read_npy(body, limits)
    return LatentBatch(_check_latents(array, latent_dim, limits), fields)


def _latent_array(values: object) -> NDArray[np.generic]:
    rows = values if isinstance(values, list) else [values]
    # Before numpy sees them, which would give every text as much room as the longest one takes.
    if not all(isinstance(row, list) and all(type(value) in (int, float) for value in row) for row in rows):
        raise _wrong_latents("latents must be an array of arrays of numbers")
    try:
        return np.asarray(rows)
    except (ValueError, OverflowError) as error:
        raise _wrong_latents("latents must be arrays of numbers, all of one length") from error


def _check_latents(array: NDArray[np.generic], latent_dim: int, limits: Limits) -> NDArray[np.float32]:
    if array.ndim != 2 or 0 in array.shape or array.shape[1] != latent_dim:
        raise _wrong_latents(f"latents have the shape {list(array.shape)}; this model takes [n, {latent_dim}]")
    if array.dtype.kind not in "fiu":
        raise _wrong_latents(f"latents are {array.dtype}; send float32")
    if len(array) > limits.max_images:
        raise TooLarge(f"{len(array)} latents in one request; send at most {limits.max_images}")
    with np.errstate(over="ignore"):  # what overflows float32 is caught as infinite below
        latents = array.astype(np.float32)  # [n, latent_dim]
    if not np.isfinite(latents).all():
        raise _wrong_latents("latents must be finite numbers of float32")
    return latents


def _wrong_latents(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[("latents", message)])
