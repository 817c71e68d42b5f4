"""`python -m tests.scale.balancer PORT URL...`: gives each connection that comes in at a port to one of the servers.

They have turns. One that refuses is passed over, as a load balancer does that asks after the health of what is behind.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterable
from urllib.parse import urlsplit

from tests.relay import HOST, joined


async def _balance(port: int, urls: Iterable[str]) -> None:
    servers = [(parts.hostname, parts.port) for parts in map(urlsplit, urls)]
    turns = itertools.cycle(range(len(servers)))

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(turns)
        for host, behind in servers[first:] + servers[:first]:
            try:
                there, back = await asyncio.open_connection(host, behind)
            except ConnectionError:
                continue
            await joined(reader, writer, there, back)
            return
        writer.close()

    async with await asyncio.start_server(meet, HOST, port) as door:
        await door.serve_forever()


if __name__ == "__main__":
    asyncio.run(_balance(int(sys.argv[1]), sys.argv[2:]))
