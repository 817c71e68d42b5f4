"""Work that is given up when its caller leaves; ASGI servers do not cancel a handler by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """Await `work` and cancel it when the caller disconnects. The request's body must have been read.

    Raises:
        ClientDisconnect: the caller left.
    """
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 (this is a coroutine)
    cancelling, here, left = working.cancelling(), True, False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal left
        if here:  # or the work was done in the same moment
            left = True
            working.cancel()

    leaving = asyncio.create_task(_disconnected(request))
    leaving.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError as error:
        if left and working.uncancel() <= cancelling:
            raise ClientDisconnect from error
        raise
    finally:
        here = False
        leaving.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
