"""`python -m tests.relay OUTER INNER [RATE]`: passes on what comes in at one port of this machine to another, and back.

With a RATE it passes on so many bytes a second, of all connections and both directions together.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing, suppress

HOST = "127.0.0.1"


class _Band:
    """What passes through at a rate; without one, at once."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._one = asyncio.Lock()

    async def take(self, size: int) -> None:
        """Wait until so many bytes have passed."""
        if self._rate is not None:
            async with self._one:
                await asyncio.sleep(size / self._rate)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, band: _Band) -> None:
    with suppress(ConnectionError), closing(writer):
        while piece := await reader.read(2**16):
            await band.take(len(piece))
            writer.write(piece)
            await writer.drain()


_FREE = _Band(None)


async def joined(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there: asyncio.StreamReader,
    back: asyncio.StreamWriter,
    band: _Band = _FREE,
) -> None:
    """Pass on what comes from either end of two connections, until both have ended."""
    await asyncio.gather(_pump(reader, back, band), _pump(there, writer, band))


async def _relay(outer: int, inner: int, rate: float | None) -> None:
    band = _Band(rate)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await joined(reader, writer, *await asyncio.open_connection(HOST, inner), band)

    async with await asyncio.start_server(meet, HOST, outer) as door:
        await door.serve_forever()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else None))
