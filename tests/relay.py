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


async def _relay(outer: int, inner: int) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, inner)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    async with await asyncio.start_server(meet, HOST, outer) as door:
        await door.serve_forever()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), int(sys.argv[2])))
