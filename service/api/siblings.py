"""API processes that share a port tell one another their metrics, as nobody can choose which of them to ask."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

SECONDS = 1.0
"""Within which a process must have told its metrics; otherwise they are left out."""


class Siblings:
    """All API processes of one service, as one of them sees them.

    Args:
        own: the socket at which this process tells its metrics. In the same folder are those of the others, and
            nothing else. None where there are no others.
    """

    def __init__(self, own: Path | None) -> None:
        self._own = own

    @asynccontextmanager
    async def told(self, metrics: Callable[[], bytes]) -> AsyncIterator[None]:
        """Tell the metrics of this process to whoever connects to its socket, for as long as the block lasts."""
        if self._own is None:
            yield
            return

        async def tell(_: StreamReader, writer: StreamWriter) -> None:
            with closing(writer):
                writer.write(metrics())
                await writer.drain()

        async with await asyncio.start_unix_server(tell, self._own):
            yield

    async def metrics(self) -> dict[str, bytes]:
        """What every process tells that answers, by the name of its socket; nothing where there are no others."""
        if self._own is None:
            return {}
        paths = sorted(self._own.parent.iterdir())
        answers = await asyncio.gather(*map(_ask, paths))
        return {path.name: answer for path, answer in zip(paths, answers, strict=True) if answer}


async def _ask(path: Path) -> bytes:
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            with closing(writer):
                return await reader.read()
    except (OSError, TimeoutError):  # it has just ended, and is being started again
        return b""
