"""Gives up work whose caller has left; an ASGI server does not cancel a request by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")

WATCH_AFTER = 0.02
"""Seconds. Most work is done sooner, and watching its caller would take a good part of that time."""


async def while_connected(request: Request, work: Awaitable[Result], watch_after: float = WATCH_AFTER) -> Result:
    """Await `work` and cancel it when the caller disconnects. The request's body must have been read.

    Args:
        request: the caller's request.
        work: what to do for the caller.
        watch_after: seconds of work after which the caller is watched.

    Raises:
        ClientDisconnect: the caller left.
    """
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 (this is a coroutine)
    cancelling, here, left = working.cancelling(), True, False
    leaving: asyncio.Task[None] | None = None

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal left
        if here:  # otherwise the work was done at the same moment
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
