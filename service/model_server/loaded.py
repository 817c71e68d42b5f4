"""A model in memory, and its network's functions in tiles of a fixed number of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentaug.augment.neighbours import Between, Reference
from latentaug.augment.warps import warp
from latentaug.evaluation.quality import Real, Unseen
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.vae.compiled import CompiledVAE
from latentaug.vae.inference import Frozen, grey_levels
from service.model_server.tiles import HostTiles, Tiles, pieces, tiled
from service.oip.tensors import Array

Floats: TypeAlias = NDArray[np.float32]
Images: TypeAlias = NDArray[np.uint8]
Outputs: TypeAlias = dict[str, Array]

# Rows of a tile, ascending. On a CPU fewer than four are multiplied by other kernels, which sum in another order and
# have weights of their own. On a GPU a small tile takes as long as a single image.
TILES = {"cpu": (4, 16, 64), "cuda": (32, 256)}

TILE_VALUES = {"cpu": 2**22, "cuda": 2**21}
"""Most values in a larger tile of images: on a CPU the network gets slower beyond, as its intermediate results outgrow
the caches, and on a GPU each model keeps a few tiles in pinned memory, which is scarce."""
COMPILED_VALUES = 2**17
"""The same in the largest tile of a network that is compiled. Each model keeps the intermediate results of its tiles,
and of larger images 16 at once take no longer each than 64."""

FunctionName: TypeAlias = Literal["encode", "decode", "render", "warp"]

NEEDED: tuple[FunctionName, ...] = ("encode", "decode", "render")
"""What is made ready before the first request; a warp is made when it is first asked for."""

PIECES = {"cpu": 1, "cuda": 16}
"""Tiles that are computed without a pause. On a GPU several are under way at once, and a pause waits for them all."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory. Requests under way keep the one that they began with, so it may be replaced at any time.

    Args:
        description: the model's description.
        vae: the network; the warm-up moves it to the device.
        projected: the latents of the images it was trained on.
        device: the device that it computes on.
    """

    description: ModelDescription
    vae: Frozen | CompiledVAE
    projected: ProjectedDataset
    device: torch.device
    sigma: Floats = field(init=False)
    reference: Reference = field(init=False)
    beside: tuple[Real, Unseen] | None = field(init=False, default=None)
    """What new images are measured by (`measuring`), once a request has asked."""
    families: tuple[tuple[int, ...], ...] = field(init=False)
    """Tiles, by their rows, that agree on a row to the last bit; ascending. The warm-up finds them out."""
    _tiles: dict[tuple[FunctionName, int], Tiles] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sigma = np.array(self.description.sigma, np.float32)
        self.reference = Reference(self.projected.latents, self.projected.labels)
        self.families = tuple((size,) for size in self.tile_sizes)

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.description.height, self.description.width, self.description.channels

    @property
    def tile_sizes(self) -> tuple[int, ...]:
        """Rows of each size of tile, ascending."""
        small, *larger = TILES[self.device.type]
        values = math.prod(self.row_shape)
        if isinstance(self.vae, CompiledVAE) and larger[-1] * values > COMPILED_VALUES:
            larger.pop()
        return small, *(tile for tile in larger if tile * values <= TILE_VALUES[self.device.type])

    def tile(self, rows: int) -> int:
        """The tile for a request of so many rows: the smallest that holds it, or the largest there is."""
        sizes = self.tile_sizes
        return next((size for size in sizes if rows <= size), sizes[-1])

    def family(self, rows: int) -> tuple[int, ...]:
        """The tiles that a request of so many rows may be cut into, whatever else is computed with it."""
        tile = self.tile(rows)
        return next(family for family in self.families if tile in family)

    def place(self) -> None:
        """Move the network to the device, and make the tiles that requests need."""
        if not isinstance(self.vae, CompiledVAE):
            self.vae.to(self.device)
        for tile in self.tile_sizes:
            for name in NEEDED:
                self.tiles(name, tile)

    def tiles(self, name: FunctionName, tile: int) -> Tiles:
        """One of the network's functions in tiles of so many rows, made when it is first needed.

        `encode` gives mean and log-variance, `decode` images float32 in 0..1, `render` images in grey levels. `warp`
        takes sources, the images to move towards and the shares side by side, as `_warped` has them.
        """
        if (name, tile) not in self._tiles:
            self._tiles[name, tile] = self._made(name, tile)
        return self._tiles[name, tile]

    def _made(self, name: FunctionName, tile: int) -> Tiles:
        height, width, channels = self.row_shape
        if name == "warp":
            shape: tuple[int, ...] = (tile, height, width, 2 * channels + 1)
            return tiled(lambda planes: (_warped(planes),), shape, torch.float32, self.device)
        if isinstance(self.vae, CompiledVAE):
            return HostTiles(self.vae.tile(name, tile))
        if name == "encode":
            return tiled(self.vae.encode, (tile, height, width, channels), torch.uint8, self.device)
        function = self.vae.decode if name == "decode" else self.vae.render
        shape = (tile, self.description.latent_dim)
        return tiled(lambda latents: (function(latents),), shape, torch.float32, self.device)

    def mapped(
        self, name: FunctionName, family: tuple[int, ...], rows: Array, between: Between
    ) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute one of the functions for any number of rows, as `Tiles.map` does.

        Args:
            name: of the function.
            family: the tiles that the rows may be cut into.
            rows: [n, ...].
            between: called between pieces of the work. It may compute other rows by the same tiles.
        """
        for tile, piece in pieces(len(rows), family, PIECES[self.device.type]):
            between()
            for part, results in self.tiles(name, tile).map(rows[piece]):
                yield slice(piece.start + part.start, piece.start + part.stop), results

    def encode_rows(self, images: Images, family: tuple[int, ...], between: Between) -> tuple[Floats, Floats]:
        """Encode images uint8 [n, h, w, c] to means and log-variances, float32 [n, latent_dim] each (section 3.1)."""
        means = np.empty((len(images), self.description.latent_dim), np.float32)
        log_variances = np.empty_like(means)
        for part, (mean, log_variance) in self.mapped("encode", family, images, between):
            means[part], log_variances[part] = mean, log_variance
        return means, log_variances

    def render_rows(self, latents: Floats, family: tuple[int, ...], between: Between) -> Images:
        """Decode latents float32 [n, latent_dim] to grey levels uint8 [n, h, w, c]."""
        images = np.empty((len(latents), *self.row_shape), np.uint8)
        for part, (levels,) in self.mapped("render", family, latents, between):
            images[part] = levels
        return images


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
