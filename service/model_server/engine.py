"""The computations of the model server, run by the one thread that owns the device.

An answer depends on its own request alone, to the last bit, whatever else is in the batch: the network never sees a
batch, but tiles of a fixed number of rows (`tiles`), padded with zeros. tests/model_server/test_engine.py compares the
bits. Which tiles a request may be cut into follows from its size and is part of the batch's key: one that holds it, and
those that agree with that one on every bit (`agreement`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.augment.exact_counts import Counted, alter_in_rounds
from latentaug.augment.methods import Altered, alter
from latentaug.augment.neighbours import Between, go_on
from latentaug.errors import LatentaugError, Unavailable
from latentaug.options import Decode, RenderingOptions
from service.model_server.agreement import agreeing
from service.model_server.children import Moves, Rendering, render_children
from service.model_server.loaded import Floats, Images, LoadedModel, Outputs
from service.oip.tensors import Array


class DeviceLost(BaseException):
    """This process cannot use the device any more, and a new one is needed. It ends the engine's thread."""


@dataclass(frozen=True)
class Key:
    """Requests with equal keys may share a batch."""

    model: LoadedModel
    operation: Literal["encode", "decode", "augment", "warm-up"]
    encode_tiles: tuple[int, ...] = ()
    """Tiles, by their rows, that images may be encoded in."""
    decode_tiles: tuple[int, ...] = ()
    """Tiles that latents may be decoded in; none if nothing is decoded."""
    decode: Decode | None = None
    """How new images come about; None where none do."""


@dataclass(frozen=True)
class Augmentation:
    """An augment request that has been checked."""

    images: Images
    """uint8 [n, h, w, c]."""
    labels: NDArray[np.int64] | None
    """int64 [n], -1 for an image without a label; or None."""
    options: RenderingOptions
    """How to alter latents and which children to turn away; filters only with counts."""
    counts: NDArray[np.int64] | None = None
    """int64 [n], children of each image, made in rounds; None if all images have the same number."""
    requests: int = 1
    """How many requests of equal size the images are, one after the other; each is altered by itself."""


Payload: TypeAlias = Array | Augmentation | None


def compute(key: Key, payloads: Sequence[Payload], between: Between = go_on) -> list[Outputs | LatentaugError]:
    """Compute a batch.

    Args:
        key: what to compute, with which model and in which tiles.
        payloads: for encode, uint8 [n, h, w, c] each; for decode, float32 [n, latent_dim] each; for augment,
            `Augmentation`s; for warm-up, None.
        between: called between pieces of the work; it may compute another batch.

    Returns:
        For each payload its outputs by name, or the error that belongs to it alone.

    Raises:
        Unavailable: the device's memory is used up.
        DeviceLost: the device failed for good.
    """
    try:
        with torch.inference_mode():
            if key.operation == "encode":
                return [*_encode(key, [images for images in payloads if isinstance(images, np.ndarray)], between)]
            if key.operation == "decode":
                return [*_decode(key, [latents for latents in payloads if isinstance(latents, np.ndarray)], between)]
            if key.operation == "augment":
                return _augment(key, [request for request in payloads if isinstance(request, Augmentation)], between)
            return [_warm_up(key.model, between) for _ in payloads]
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise Unavailable("the device's memory is used up; send fewer images or try again", retry_after=1) from error
    except torch.AcceleratorError as error:
        raise DeviceLost(str(error)) from error


def _encode(key: Key, batch: Sequence[Images], between: Between) -> list[Outputs]:
    images = _together(batch)
    means, log_variances = key.model.encode_rows(images, key.encode_tiles, between)
    outputs: Outputs = {"latents": means, "log_variances": log_variances}
    if key.decode_tiles:
        errors = np.empty(len(images), np.float32)
        for part, (levels,) in key.model.mapped("decode", key.decode_tiles, means, between):
            difference = np.ascontiguousarray(levels) - images[part] / np.float32(255)
            errors[part] = np.square(difference).reshape(len(difference), -1).mean(axis=1)
        outputs["reconstruction_error"] = errors
    return split(outputs, [len(part) for part in batch])


def _decode(key: Key, batch: Sequence[Floats], between: Between) -> list[Outputs]:
    latents = _together(batch)
    images = key.model.render_rows(latents, key.decode_tiles, between)
    return split({"images": images}, [len(part) for part in batch])


def _augment(key: Key, batch: Sequence[Augmentation], between: Between) -> list[Outputs | LatentaugError]:
    """Encode the whole batch, alter the latents of each request by themselves, and decode the whole batch."""
    from_sources = bool(key.decode_tiles) and key.decode != "reconstruction"
    images = _together([request.images for request in batch])
    means, _ = key.model.encode_rows(images, key.encode_tiles, between)
    starts = np.cumsum([0, *(len(request.images) for request in batch)])
    results: list[Outputs | LatentaugError] = []
    altered: list[Outputs] = []
    moves: list[Moves] = []
    for request, start in zip(batch, starts[:-1], strict=True):
        try:
            children = _alter(key.model, request, means[start : start + len(request.images)], between)
        except LatentaugError as error:  # such as a class too small, which concerns this request alone
            results.append(error)
            continue
        outputs = _outputs(key.model, request, children)
        results.append(outputs)
        altered.append(outputs)
        if from_sources:
            moves.append(_moves(request, children, start))
    if key.decode_tiles and altered:
        latents = np.concatenate([outputs["latents"] for outputs in altered])
        if from_sources:
            together = Moves(*(np.concatenate(column) for column in zip(*moves, strict=True)))
            how = Rendering(key.decode, key.encode_tiles, key.decode_tiles)
            made = render_children(key.model, how, images, means, latents, together, between)
        else:
            made = key.model.render_rows(latents, key.decode_tiles, between)
        parts = split({"images": made}, [len(outputs["latents"]) for outputs in altered])
        for outputs, part in zip(altered, parts, strict=True):
            outputs.update(part)
    return results


def _alter(model: LoadedModel, request: Augmentation, latents: Floats, between: Between) -> Altered:
    """Alter one payload's latents."""
    options = request.options
    reference = model.reference if options.neighbours == "dataset" else None
    if request.counts is None:
        return alter(
            latents,
            method=options.method,
            alpha=options.alpha,
            k=options.k,
            copies=options.children,
            sigma=model.sigma,
            seed=options.seed,
            labels=request.labels,
            reference=reference,
            sets=request.requests,
            between=between,
        )
    return alter_in_rounds(
        latents,
        request.counts,
        method=options.method,
        alpha=options.alpha,
        k=options.k,
        sigma=model.sigma,
        seed=options.seed,
        labels=request.labels,
        reference=reference,
        filters=options.filters,
        retries=options.retries,
        between=between,
    )


def _outputs(model: LoadedModel, request: Augmentation, children: Altered) -> Outputs:
    """The outputs of one payload; sources and neighbours are numbered as in their request or in the data set."""
    size = len(request.images) // request.requests
    neighbour = children.neighbour
    if request.options.method != "noise":
        in_data_set = request.options.neighbours == "dataset"
        neighbour = model.projected.rows[neighbour] if in_data_set else neighbour % size
    outputs: Outputs = {"latents": children.latents, "source": children.source % size, "neighbour": neighbour}
    if isinstance(children, Counted):
        outputs |= {"child": children.number, "step": children.share, "refused": children.refused}
    return outputs


def _moves(request: Augmentation, children: Altered, start: int) -> Moves:
    """Where the children of a payload come from, whose images begin at `start` of the batch."""
    share = children.share if isinstance(children, Counted) else np.full(len(children.source), request.options.alpha)
    direction = -1 if request.options.method == "extrapolation" else 1
    return Moves(children.source + start, children.neighbour + start, (direction * share).astype(np.float32))


def _warm_up(model: LoadedModel, between: Between) -> Outputs:
    """Put a model in its place and compute each of its tiles, so that the first request does not wait for that."""
    model.place()
    model.families = agreeing(model, between)
    return {}


def _together(arrays: Sequence[Array]) -> Array:
    """Arrays one after the other; a single one, which may be large, is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def split(outputs: Outputs, sizes: Sequence[int]) -> list[Outputs]:
    """Cut joined outputs into those of each request, in the requests' order."""
    stops = np.cumsum(sizes)
    return [
        {name: array[stop - size : stop] for name, array in outputs.items()}
        for stop, size in zip(stops, sizes, strict=True)
    ]
