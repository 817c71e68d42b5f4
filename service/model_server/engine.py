"""The computations of the model server, run by the one thread that owns the device.

An answer depends on its own request alone, to the last bit, whatever else is in the batch: the network never sees a
batch, but tiles of a fixed number of rows (`tiles`), padded with zeros. tests/model_server/test_engine.py compares the
bits. The size of a tile follows from the size of the request and is part of the batch's key, so rows share a tile only
if their requests have equal tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentaug.augment.exact_counts import Counted, alter_in_rounds
from latentaug.augment.methods import Altered, alter, residual
from latentaug.augment.neighbours import Reference
from latentaug.augment.warps import warp
from latentaug.errors import LatentaugError, Unavailable
from latentaug.evaluation.quality import Real, Unseen
from latentaug.options import Decode, RenderingOptions
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.vae.inference import Frozen, grey_levels
from latentaug.vae.memory import together
from service.model_server.tiles import Tiles, tiled
from service.oip.tensors import Array

Floats: TypeAlias = NDArray[np.float32]
Images: TypeAlias = NDArray[np.uint8]
Outputs: TypeAlias = dict[str, Array]

# Rows of a tile. The smallest keeps single images quick and still serves several such requests at once; beyond the
# largest the network gets no faster.
TILES = {"cpu": (16, 32, 64), "cuda": (32, 256)}

TILE_VALUES = {"cpu": 2**22, "cuda": 2**21}
"""Most values in a larger tile of images: on a CPU the network gets slower beyond, as its intermediate results outgrow
the caches, and on a GPU each model keeps a few tiles in pinned memory, which is scarce."""

FunctionName: TypeAlias = Literal["encode", "decode", "render", "warp"]

FUNCTIONS: dict[FunctionName, Callable[[Frozen, Tensor], tuple[Tensor, ...]]] = {
    "encode": lambda vae, images: vae.encode(images),  # [tile, h, w, c] -> 2 x [tile, latent_dim]
    "decode": lambda vae, latents: (vae.decode(latents),),  # [tile, latent_dim] -> [tile, h, w, c]
    "render": lambda vae, latents: (vae.render(latents),),  # [tile, latent_dim] -> [tile, h, w, c]
    "warp": lambda _, planes: (_warped(planes),),  # [tile, h, w, 2 c + 1] -> [tile, h, w, c]
}


WARPED_AT_ONCE = 1024
"""Children whose sources and neighbours are put side by side at a time, at most."""


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


class DeviceLost(BaseException):
    """This process cannot use the device any more, and a new one is needed. It ends the engine's thread."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory. Requests under way keep the one that they began with, so it may be replaced at any time.

    Args:
        description: the model's description.
        vae: the network; it is moved to the device by the warm-up.
        projected: the latents of the images it was trained on.
        device: the device that it computes on.
    """

    description: ModelDescription
    vae: Frozen
    projected: ProjectedDataset
    device: torch.device
    sigma: Floats = field(init=False)
    reference: Reference = field(init=False)
    beside: tuple[Real, Unseen] | None = field(init=False, default=None)
    """What new images are measured by (`measuring`), once a request has asked."""
    _tiles: dict[tuple[FunctionName, int], Tiles] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sigma = np.array(self.description.sigma, np.float32)
        self.reference = Reference(self.projected.latents, self.projected.labels)

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.description.height, self.description.width, self.description.channels

    @property
    def tile_sizes(self) -> tuple[int, ...]:
        """Rows of each size of tile, ascending."""
        small, *larger = TILES[self.device.type]
        most = TILE_VALUES[self.device.type] // math.prod(self.row_shape)
        return small, *(tile for tile in larger if tile <= most)

    def tile(self, rows: int) -> int:
        """Rows of the tiles for a request of so many rows: the smallest tile that holds it, or the largest there is."""
        sizes = self.tile_sizes
        return next((size for size in sizes if rows <= size), sizes[-1])

    def tiles(self, name: FunctionName, tile: int) -> Tiles:
        """One of the network's functions in tiles of so many rows, made when it is first needed.

        `encode` gives mean and log-variance, `decode` images float32 in 0..1, `render` images in grey levels. `warp`
        takes sources, the images to move towards and the shares side by side, as `_warped` has them.
        """
        if (name, tile) not in self._tiles:
            height, width, channels = self.row_shape
            shape: tuple[int, ...] = (tile, self.description.latent_dim)
            dtype = torch.float32
            if name == "encode":
                shape, dtype = (tile, height, width, channels), torch.uint8
            elif name == "warp":
                shape = (tile, height, width, 2 * channels + 1)
            self._tiles[name, tile] = tiled(partial(FUNCTIONS[name], self.vae), shape, dtype, self.device)
        return self._tiles[name, tile]


@dataclass(frozen=True)
class Key:
    """Requests with equal keys may share a batch."""

    model: LoadedModel
    operation: Literal["encode", "decode", "augment", "warm-up"]
    encode_tile: int = 0
    """Rows of the tiles that images are encoded in."""
    decode_tile: int = 0
    """Rows of the tiles that latents are decoded in; 0 if nothing is decoded."""
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


def compute(key: Key, payloads: Sequence[Payload]) -> list[Outputs | LatentaugError]:
    """Compute a batch.

    Args:
        key: what to compute, with which model and in which tiles.
        payloads: for encode, uint8 [n, h, w, c] each; for decode, float32 [n, latent_dim] each; for augment,
            `Augmentation`s; for warm-up, None.

    Returns:
        For each payload its outputs by name, or the error that belongs to it alone.

    Raises:
        Unavailable: the device's memory is used up.
        DeviceLost: the device failed for good.
    """
    try:
        with torch.inference_mode():
            if key.operation == "encode":
                return [*_encode(key, [images for images in payloads if isinstance(images, np.ndarray)])]
            if key.operation == "decode":
                return [*_decode(key, [latents for latents in payloads if isinstance(latents, np.ndarray)])]
            if key.operation == "augment":
                return _augment(key, [request for request in payloads if isinstance(request, Augmentation)])
            return [_warm_up(key.model) for _ in payloads]
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise Unavailable("the device's memory is used up; send fewer images or try again", retry_after=1) from error
    except torch.AcceleratorError as error:
        raise DeviceLost(str(error)) from error


def encode_rows(model: LoadedModel, images: Images, tile: int) -> tuple[Floats, Floats]:
    """Encode images uint8 [n, h, w, c] to means and log-variances, float32 [n, latent_dim] each (section 3.1)."""
    means = np.empty((len(images), model.description.latent_dim), np.float32)
    log_variances = np.empty_like(means)
    for part, (mean, log_variance) in model.tiles("encode", tile).map(images):
        means[part], log_variances[part] = mean, log_variance
    return means, log_variances


def render_rows(model: LoadedModel, latents: Floats, tile: int) -> Images:
    """Decode latents float32 [n, latent_dim] to grey levels uint8 [n, h, w, c]."""
    images = np.empty((len(latents), *model.row_shape), np.uint8)
    for part, (levels,) in model.tiles("render", tile).map(latents):
        images[part] = levels
    return images


def _encode(key: Key, batch: Sequence[Images]) -> list[Outputs]:
    images = np.concatenate(batch)
    means, log_variances = encode_rows(key.model, images, key.encode_tile)
    outputs: Outputs = {"latents": means, "log_variances": log_variances}
    if key.decode_tile:
        errors = np.empty(len(images), np.float32)
        for part, (decoded,) in key.model.tiles("decode", key.decode_tile).map(means):
            difference = np.ascontiguousarray(decoded) - images[part] / np.float32(255)
            errors[part] = np.square(difference).reshape(len(difference), -1).mean(axis=1)
        outputs["reconstruction_error"] = errors
    return split(outputs, [len(part) for part in batch])


def _decode(key: Key, batch: Sequence[Floats]) -> list[Outputs]:
    latents = np.concatenate(batch)
    return split({"images": render_rows(key.model, latents, key.decode_tile)}, [len(part) for part in batch])


def _augment(key: Key, batch: Sequence[Augmentation]) -> list[Outputs | LatentaugError]:
    """Encode the whole batch, alter the latents of each request by themselves, and decode the whole batch."""
    images = np.concatenate([request.images for request in batch])
    means, _ = encode_rows(key.model, images, key.encode_tile)
    starts = np.cumsum([0, *(len(request.images) for request in batch)])
    results: list[Outputs | LatentaugError] = []
    altered: list[Outputs] = []
    moves: list[Moves] = []
    for request, start in zip(batch, starts[:-1], strict=True):
        try:
            children = _alter(key.model, request, means[start : start + len(request.images)])
        except LatentaugError as error:  # such as a class too small, which concerns this request alone
            results.append(error)
            continue
        outputs = _outputs(key.model, request, children)
        results.append(outputs)
        altered.append(outputs)
        moves.append(_moves(request, children, start))
    if key.decode_tile and altered:
        latents = np.concatenate([outputs["latents"] for outputs in altered])
        together = Moves(*(np.concatenate(column) for column in zip(*moves, strict=True)))
        decoded = _decode_children(key, images, means, latents, together)
        parts = split({"images": decoded}, [len(outputs["latents"]) for outputs in altered])
        for outputs, part in zip(altered, parts, strict=True):
            outputs.update(part)
    return results


def _alter(model: LoadedModel, request: Augmentation, latents: Floats) -> Altered:
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


def _decode_children(key: Key, images: Images, means: Floats, latents: Floats, moves: Moves) -> Images:
    """Make the children's images: of their latents alone, as changes to their sources, or by warping the sources."""
    if key.decode == "reconstruction":
        return render_rows(key.model, latents, key.decode_tile)
    if key.decode == "warp":
        return _warp_rows(key, images, moves)
    source = moves.source
    originals = images.astype(np.float32) / np.float32(255)
    reconstructions, children = np.empty_like(originals), np.empty((len(latents), *key.model.row_shape), np.uint8)
    for part, (decoded,) in key.model.tiles("decode", key.encode_tile).map(means):
        reconstructions[part] = decoded
    for part, (decoded,) in key.model.tiles("decode", key.decode_tile).map(latents):
        # The sources of a tile stand together, so their stretch of the batch is enough.
        stretch = slice(int(source[part][0]), int(source[part][-1]) + 1)
        moved = residual(originals[stretch], reconstructions[stretch], decoded, source[part] - stretch.start)
        children[part] = grey_levels(torch.from_numpy(moved)).numpy()
    return children


def _warp_rows(key: Key, images: Images, moves: Moves) -> Images:
    """Move each source towards its neighbour, or away from it, by its share: uint8 [m, h, w, c]."""
    children = np.empty((len(moves.source), *key.model.row_shape), np.uint8)
    pixels = images.astype(np.float32) / np.float32(255)
    size = together(math.prod(key.model.row_shape), WARPED_AT_ONCE)
    for start in range(0, len(children), size):
        rows = slice(start, start + size)
        source, towards = pixels[moves.source[rows]], pixels[moves.neighbour[rows]]
        share = np.broadcast_to(moves.share[rows, None, None, None], (*source.shape[:3], 1))
        planes = np.concatenate([source, towards, share], axis=3)  # [rows, h, w, 2 c + 1]
        for part, (levels,) in key.model.tiles("warp", key.decode_tile).map(planes):
            children[start:][part] = levels
    return children


def _warped(planes: Tensor) -> Tensor:
    """Warp a tile.

    Args:
        planes: float32 [tile, h, w, 2 c + 1]: sources and the images to move towards, in 0..1, and the shares, each
            the same in all pixels.

    Returns:
        uint8 [tile, h, w, c].
    """
    channels = planes.shape[3] // 2
    images, towards = planes[..., :channels].contiguous(), planes[..., channels : 2 * channels].contiguous()
    return grey_levels(warp(images, towards, planes[:, 0, 0, -1].contiguous()))


def _warm_up(model: LoadedModel) -> Outputs:
    """Move a model to the device and run each of its tiles once, so that the first request does not wait for that."""
    model.vae.to(model.device)
    for tile in model.tile_sizes:
        means, _ = encode_rows(model, np.zeros((1, *model.row_shape), np.uint8), tile)
        render_rows(model, means, tile)
        model.tiles("decode", tile)  # the same kernels as `render`, but a graph of its own on a GPU
    return {}


def split(outputs: Outputs, sizes: Sequence[int]) -> list[Outputs]:
    """Cut joined outputs into those of each request, in the requests' order."""
    stops = np.cumsum(sizes)
    return [
        {name: array[stop - size : stop] for name, array in outputs.items()}
        for stop, size in zip(stops, sizes, strict=True)
    ]
