"""Work that is given up when its caller leaves; ASGI servers do not cancel a handler by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")

WATCH_AFTER = 0.02
"""Seconds. Most work is done sooner, and to watch for its caller's leaving would take a good part of its time."""


async def while_connected(request: Request, work: Awaitable[Result], watch_after: float = WATCH_AFTER) -> Result:
    """Await `work` and cancel it when the caller disconnects. The request's body must have been read.

    Args:
        request: of the caller.
        work: what to do.
        watch_after: seconds after which it is noticed that the caller has left.

    Raises:
        ClientDisconnect: the caller left.
    """
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 (this is a coroutine)
    cancelling, here, left = working.cancelling(), True, False
    leaving: asyncio.Task[None] | None = None

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal left
        if here:  # or the work was done in the same moment
            left = True
            working.cancel()

    def watch() -> None:
        nonlocal leaving
        leaving = asyncio.create_task(_disconnected(request))
        leaving.add_done_callback(leave)

    watching = asyncio.get_running_loop().call_later(watch_after, watch)
    try:
        return await work
    except asyncio.CancelledError as error:
        if left and working.uncancel() <= cancelling:
            raise ClientDisconnect from error
        raise
    finally:
        here = False
        watching.cancel()
        if leaving is not None:
            leaving.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
