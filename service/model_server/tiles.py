"""Functions of a fixed number of rows, given any number: one tile of them after the other.

With the shape fixed, every kernel does the same arithmetic on a row wherever it stands in its tile and whatever stands
beside it. On a GPU the shape's being fixed also lets a whole tile, its way there and back included, be recorded once as
a CUDA graph and started by one call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.oip.tensors import Array

Function: TypeAlias = Callable[[Tensor], tuple[Tensor, ...]]
"""From [tile, ...] to tensors [tile, ...] each."""

_LANES = 2
"""Tiles under way on a GPU at once: while one computes, the next is brought and the last fetched."""


class Tiles(Protocol):
    """A function of tiles."""

    def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute the function for all rows.

        Args:
            rows: [n, ...], of the tile's type.

        Yields:
            Which rows, and their results [rows, ...], which the next but one that is yielded may overwrite.
        """


def tiled(function: Function, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tiles:
    """A function of tiles [rows, ...] of this shape and type, computed on this device."""
    if device.type == "cuda":
        return GraphTiles(function, torch.zeros(shape, dtype=dtype, device=device))
    return HostTiles(function, torch.zeros(shape, dtype=dtype))


class HostTiles:
    """Computes tiles in the processor's memory, all from one buffer.

    Args:
        function: what is computed.
        tile: the buffer.
    """

    def __init__(self, function: Function, tile: Tensor) -> None:
        self._function = function
        self._tile = tile

    def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Compute the function for all rows, as `Tiles.map` says."""
        for part in _parts(len(rows), len(self._tile)):
            _fill(self._tile.numpy(), rows[part])
            yield part, tuple(result.numpy()[: part.stop - part.start] for result in self._function(self._tile))


class GraphTiles:
    """Computes tiles on a GPU, two at a time.

    Args:
        function: what is computed; it must not wait for the GPU.
        tile: on the GPU, like every tile.
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
    """One tile's way through the GPU: from pinned memory, through the function and back into pinned memory.

    Lanes of one number share a stream, so they run one after the other, and the memory of what lies between input and
    output; a model more takes no more of that. Those of different numbers share nothing and run side by side.
    """

    def __init__(self, function: Function, tile: Tensor, number: int) -> None:
        self._stream, pool = _stream(tile.device, number)
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            self._input = torch.zeros_like(tile, device="cpu", pin_memory=True)
            results = function(tile.clone())  # libraries make themselves ready here, which no graph may record
            self._outputs = [torch.zeros(result.shape, dtype=result.dtype, pin_memory=True) for result in results]
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool, self._stream, capture_error_mode="thread_local"):
                results = function(self._input.to(tile.device, non_blocking=True))
                for output, result in zip(self._outputs, results, strict=True):
                    output.copy_(result.contiguous(), non_blocking=True)

    def start(self, rows: Array) -> None:
        """Set off, once the last tile is through."""
        self._done.synchronize()
        _fill(self._input.numpy(), rows)
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._done.record(self._stream)

    def results(self) -> tuple[Array, ...]:
        """What came of it, [tile, ...] each, once it is through."""
        self._done.synchronize()
        return tuple(output.numpy() for output in self._outputs)


@cache
def _stream(device: torch.device, number: int) -> tuple[torch.cuda.Stream, Any]:
    """The stream of all lanes of this number, and the handle of their memory."""
    return torch.cuda.Stream(device), torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call]


def _finished(part: slice, lane: _Lane) -> tuple[slice, tuple[Array, ...]]:
    return part, tuple(result[: part.stop - part.start] for result in lane.results())


def _parts(n: int, rows: int) -> Iterator[slice]:
    """Stretches of at most so many rows that cover n."""
    return (slice(start, min(start + rows, n)) for start in range(0, n, rows))


def _fill(tile: NDArray[np.generic], rows: Array) -> None:
    """Put rows at the tile's head and zeros behind them."""
    tile[: len(rows)] = rows
    tile[len(rows) :] = 0
