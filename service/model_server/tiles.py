"""Computes any number of rows by functions that take a fixed number of them: one tile of rows after the other.

Because the shape is fixed, every kernel does the same arithmetic on a row wherever it stands in its tile and whatever
stands beside it. Whether tiles of other sizes do the same is looked up (`agreement`). On a GPU a whole tile, with its
copies there and back, can also be recorded once as a CUDA graph and then started by one call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import cycle
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.oip.tensors import Array

Function: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]
"""Maps a tensor [tile, ...] to tensors of [tile, ...] each."""

START = 6
"""What it costs to start a tile, in rows that could be computed meanwhile, for small images on a processor."""
_LANES = 2
"""Tiles under way on a GPU at once: while one is computed, the next is sent and the last one fetched."""


class Tile(Protocol):
    """A function of a fixed number of rows, on the processor."""

    @property
    def rows(self) -> Array:
        """The buffer [tile, ...], to be filled before each `compute`."""

    def compute(self) -> tuple[Array, ...]:
        """Compute the function for `rows`: results [tile, ...] each, which the next call may overwrite."""


class Tiles(Protocol):
    """A function that is computed in tiles."""

    def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute the function for all rows.

        Args:
            rows: [n, ...], of the tiles' type.

        Yields:
            Which rows, and their results [rows, ...]. Use or copy them before you ask for the next.
        """


def tiled(function: Function, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tiles:
    """Return the function as one computed in tiles of this shape [rows, ...] and type, on this device."""
    if device.type == "cuda":
        return GraphTiles(function, torch.zeros(shape, dtype=dtype, device=device))
    return HostTiles(TorchTile(function, torch.zeros(shape, dtype=dtype)))


def pieces(n: int, sizes: Sequence[int], most: int) -> Iterator[tuple[int, slice]]:
    """Cut n rows into pieces, each for tiles of one size.

    Args:
        n: how many rows.
        sizes: rows of each size of tile, ascending.
        most: tiles of a piece, at most.

    Yields:
        Rows of the tile, and which rows of the n it takes.
    """
    start = 0
    while start < n:
        tile = _next(n - start, sizes)
        stop = min(n, start + tile * max(1, min(most, (n - start) // tile)))
        yield tile, slice(start, stop)
        start = stop


def _next(left: int, sizes: Sequence[int]) -> int:
    """The tile with which the rows that are left are done soonest: one that holds all, or one that is filled."""
    holding = [size for size in sizes if size >= left]
    filled = [size for size in sizes if size <= left]
    if not holding or not filled:
        return holding[0] if holding else filled[-1]
    whole, part = holding[0], filled[-1]
    return whole if whole + START <= -(-left // part) * (part + START) else part


class HostTiles:
    """Computes tiles in the processor's memory, all from one buffer."""

    def __init__(self, tile: Tile) -> None:
        self._tile = tile

    def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute the function for all rows, as `Tiles.map` says."""
        buffer = self._tile.rows
        for part in _parts(len(rows), len(buffer)):
            _fill(buffer, rows[part])
            yield part, tuple(result[: part.stop - part.start] for result in self._tile.compute())


class TorchTile:
    """A tile that PyTorch computes.

    Args:
        function: the function to compute.
        tile: the buffer for every tile.
    """

    def __init__(self, function: Function, tile: Tensor) -> None:
        self._function = function
        self._tile = tile
        self.rows: Array = tile.numpy()

    def compute(self) -> tuple[Array, ...]:
        """Compute the function for `rows`, as `Tile.compute` says."""
        return tuple(result.numpy() for result in self._function(self._tile))


class GraphTiles:
    """Computes tiles on a GPU, two at a time.

    Args:
        function: the function to compute; it must not wait for the GPU.
        tile: a tensor on the GPU with the shape and type of every tile.
    """

    def __init__(self, function: Function, tile: Tensor) -> None:
        self._rows = len(tile)
        self._lanes = [_Lane(function, tile, number) for number in range(_LANES)]

    def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute the function for all rows, as `Tiles.map` says."""
        under_way = deque[tuple[slice, _Lane]]()
        for part, lane in zip(_parts(len(rows), self._rows), cycle(self._lanes), strict=False):
            if len(under_way) == _LANES:
                yield _finished(*under_way.popleft())
            lane.start(rows[part])
            under_way.append((part, lane))
        while under_way:
            yield _finished(*under_way.popleft())


class _Lane:
    """One tile's way through the GPU: from pinned memory, through the function, and back into pinned memory.

    Lanes with the same number share a stream, so they run one after the other. They also share the memory for what is
    computed between input and output, so that another model needs no more of it. Lanes with different numbers share
    nothing and run side by side.
    """

    def __init__(self, function: Function, tile: Tensor, number: int) -> None:
        self._stream, pool = _stream(tile.device, number)
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            self._input = torch.zeros_like(tile, device="cpu", pin_memory=True)
            results = function(tile.clone())  # libraries initialise themselves here, which cannot be recorded
            self._outputs = [torch.zeros(result.shape, dtype=result.dtype, pin_memory=True) for result in results]
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool, self._stream, capture_error_mode="thread_local"):
                results = function(self._input.to(tile.device, non_blocking=True))
                for output, result in zip(self._outputs, results, strict=True):
                    output.copy_(result.contiguous(), non_blocking=True)

    def start(self, rows: Array) -> None:
        """Start a tile, once the one before is done."""
        self._done.synchronize()
        _fill(self._input.numpy(), rows)
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._done.record(self._stream)

    def results(self) -> tuple[Array, ...]:
        """Wait until the tile is done, and return its results, [tile, ...] each."""
        self._done.synchronize()
        return tuple(output.numpy() for output in self._outputs)


@cache
def _stream(device: torch.device, number: int) -> tuple[torch.cuda.Stream, Any]:
    """The stream of all lanes of this number, and the handle of the memory that they share."""
    return torch.cuda.Stream(device), torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call]


def _finished(part: slice, lane: _Lane) -> tuple[slice, tuple[Array, ...]]:
    return part, tuple(result[: part.stop - part.start] for result in lane.results())


def _parts(n: int, rows: int) -> Iterator[slice]:
    """Consecutive slices of at most `rows` rows, n rows in all."""
    return (slice(start, min(start + rows, n)) for start in range(0, n, rows))


def _fill(tile: NDArray[np.generic], rows: Array) -> None:
    """Put rows at the start of the tile and zeros behind them."""
    tile[: len(rows)] = rows
    tile[len(rows) :] = 0
