"""`python -m tests.relay OUTER INNER`: passes on what comes in at one port of this machine to another, and back."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing, suppress

HOST = "127.0.0.1"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()


async def joined(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    """Pass on what comes from either end of two connections, until both have ended."""
    await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _relay(outer: int, inner: int) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await joined(reader, writer, *await asyncio.open_connection(HOST, inner))

    async with await asyncio.start_server(meet, HOST, outer) as door:
        await door.serve_forever()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), int(sys.argv[2])))
