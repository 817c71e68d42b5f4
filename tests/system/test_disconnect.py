"""Work is given up when its caller leaves, and only then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service.asgi.disconnect import while_connected

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Caller:
    """A request whose body has been read, from a caller that leaves when told to."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, self._receive)

    async def _receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def test_the_result_is_that_of_the_work() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await while_connected(Caller().request, work()) == 7


async def test_an_error_is_that_of_the_work() -> None:
    async def work() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await while_connected(Caller().request, work())


async def test_the_work_of_a_caller_who_leaves_is_cancelled_and_nothing_else() -> None:
    caller, given_up = Caller(), False

    async def work() -> None:
        nonlocal given_up
        caller.leaves.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up = True
            raise

    with pytest.raises(ClientDisconnect):
        await while_connected(caller.request, work())
    assert given_up
    assert not cancelling()
    await asyncio.sleep(0)  # would raise if anything were still to cancel


async def test_who_cancels_the_task_itself_is_not_taken_for_a_caller_who_left() -> None:
    task = asyncio.create_task(while_connected(Caller().request, asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("moments", range(9))
async def test_a_caller_who_leaves_as_the_work_ends_has_either_outcome_and_no_aftermath(moments: int) -> None:
    caller = Caller()

    async def work() -> int:
        later(moments, caller.leaves.set)
        for _ in range(3):
            await asyncio.sleep(0)
        return 7

    with contextlib.suppress(ClientDisconnect):
        assert await while_connected(caller.request, work(), watch_after=0) == 7
    for _ in range(3):
        await asyncio.sleep(0)
    assert not cancelling()


def cancelling() -> int:
    """Requests to cancel this task that nobody has taken back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def later(moments: int, call: Callable[[], None]) -> None:
    """Call after so many turns of the event loop."""
    loop = asyncio.get_running_loop()
    loop.call_soon(call) if moments == 0 else loop.call_soon(later, moments - 1, call)
