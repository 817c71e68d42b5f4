"""Small calls to the model server that are alike and come at the same time are joined into one.

The way to the model server and back takes both processes more time than a single image does. So while one call of a
kind is under way, further calls of that kind wait; when it is back, or has been away for long, all that wait are sent
as one joined call. A caller alone never waits, and each answer is, to the last bit, what its call would have been
answered alone (`service.oip.messages.JOINED`). The model server computes a joined call until the last of its callers
has left or is out of time; each caller's own time ends when it would end alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Hashable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np

from latentaug.errors import InvalidInput, MalformedInput, TooLarge
from latentaug.runtime import logs
from service.api.compute.client import Call, Outputs
from service.oip.messages import JOINED

SMALL_BYTES = 2**13
"""A call with at most so many bytes of inputs is small; ten digits have fewer."""
SMALL_ROWS = 32
"""A call with at most so many rows, in and out together, is small."""
MOST_ROWS = 256
"""Rows, in and out together, of a joined call."""
PATIENCE = 0.02
"""Seconds after which a call no longer holds others back: then the server is busy, and they had better wait in its
queue than here."""
_TURNS = 2
"""Turns of the event loop that sending a request takes: in one it is made, and in the next aiohttp writes it."""
_OF_ONE = (MalformedInput, InvalidInput, TooLarge)
"""Errors that may be the fault of one call, and so must not answer the others that it was joined with."""


@dataclass(frozen=True)
class _Waiting:
    """A small call, the time until which its caller waits, and the future that gets its answer."""

    call: Call
    until: float
    answer: asyncio.Future[Outputs]
    context: Context = field(default_factory=copy_context)
    request_id: str | None = field(default_factory=logs.request_id.get)


_Result: TypeAlias = Outputs | BaseException


class Computing(Protocol):
    """What has calls computed: one model server, or several."""

    def infer(self, call: Call, timeout: float) -> Awaitable[Outputs]:
        """Have a call computed, as `ModelServer.infer` does."""


class Joiner:
    """Asks the model servers, and joins small calls on the way. Used from one event loop.

    Args:
        model_servers: who computes the calls.
        most_rows: most rows that a model server takes in one request.
    """

    def __init__(self, model_servers: Computing, most_rows: int) -> None:
        self._model_servers = model_servers
        self._most_rows = min(most_rows, MOST_ROWS)
        self._waiting = defaultdict[Hashable, deque[_Waiting]](deque)
        self._held = set[Hashable]()
        self._tasks = set[asyncio.Task[None]]()

    async def infer(self, call: Call, timeout: float) -> Outputs:
        """Have a call computed, as `ModelServer.infer` does."""
        kind = _kind(call)
        if kind is None:
            return await self._model_servers.infer(call, timeout)
        waiting = self._waiting[kind]
        waiting.append(_Waiting(call, time.monotonic() + timeout, asyncio.get_running_loop().create_future()))
        answer = waiting[-1].answer
        # A full joined call is sent at once: where there are too many calls, the model server refuses them.
        if kind not in self._held or len(waiting) >= self._most(call):
            self._send(kind)
        return await answer

    def _most(self, call: Call) -> int:
        """How many calls like this one may be joined."""
        return max(1, self._most_rows // _rows(call))

    def _send(self, kind: Hashable) -> bool:
        """Send the calls that wait and hold back those that come after them; false where none waits."""
        if not (together := self._take(kind)):
            del self._waiting[kind]
            self._held.discard(kind)
            return False
        self._held.add(kind)
        asking = asyncio.create_task(self._ask(together), context=together[0].context)
        answering = asyncio.create_task(self._answer(kind, together, asking))
        self._tasks.add(answering)  # the loop itself keeps none alive
        answering.add_done_callback(self._tasks.discard)
        return True

    def _take(self, kind: Hashable) -> list[_Waiting]:
        """As many calls as may be joined, in order, without those whose callers have left."""
        waiting, together = self._waiting[kind], list[_Waiting]()
        while waiting and len(together) < self._most(waiting[0].call):
            if not (first := waiting.popleft()).answer.done():
                together.append(first)
        return together

    async def _answer(self, kind: Hashable, together: list[_Waiting], asking: asyncio.Task[list[Outputs]]) -> None:
        """Answer calls that were joined, after sending those that wait behind them."""

        def leave(_: asyncio.Future[Outputs]) -> None:
            if all(each.answer.done() for each in together):
                asking.cancel()

        for each in together:
            each.answer.add_done_callback(leave)
        await asyncio.wait([asking], timeout=PATIENCE)
        if self._send(kind):
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        for each, result in zip(together, await self._found(together, asking), strict=True):
            _settle(each.answer, result)

    async def _found(self, together: list[_Waiting], asking: asyncio.Task[list[Outputs]]) -> Sequence[_Result]:
        """Each call's answer, or the error that it fails with."""
        (found,) = await asyncio.gather(asking, return_exceptions=True)
        if not isinstance(found, BaseException):
            return found
        if len(together) == 1 or not isinstance(found, _OF_ONE):
            return [found] * len(together)
        alone = [asyncio.create_task(self._ask([each]), context=each.context) for each in together]
        results = await asyncio.gather(*alone, return_exceptions=True)
        return [result if isinstance(result, BaseException) else result[0] for result in results]

    async def _ask(self, together: Sequence[_Waiting]) -> list[Outputs]:
        """Ask for calls as one, and give each its own answer."""
        logs.request_id.set(",".join(each.request_id for each in together if each.request_id) or None)
        seconds = max(each.until for each in together) - time.monotonic()
        call = _joined([each.call for each in together])
        return _parted(await self._model_servers.infer(call, max(0.0, seconds)), len(together))


def _kind(call: Call) -> Hashable:
    """What calls must have in common to be joined; None for a call that goes alone."""
    if call.made is None or _rows(call) > SMALL_ROWS or sum(a.nbytes for a in call.tensors.values()) > SMALL_BYTES:
        return None
    forms = tuple((name, array.shape, array.dtype) for name, array in call.tensors.items())
    return call.model, call.operation, call.version, forms, tuple(call.parameters.items()), tuple(call.outputs)


def _rows(call: Call) -> int:
    """Rows of an input, and of what is made of them."""
    return len(next(iter(call.tensors.values()))) * (1 + (call.made or 0))


def _joined(calls: Sequence[Call]) -> Call:
    """Calls of one kind as one."""
    first = calls[0]
    if len(calls) == 1:
        return first
    tensors = {name: np.concatenate([call.tensors[name] for call in calls]) for name in first.tensors}
    return replace(first, tensors=tensors, parameters={**first.parameters, JOINED: len(calls)})


def _parted(outputs: Outputs, calls: int) -> list[Outputs]:
    """The outputs of each joined call: they share the rows of every output equally, in order."""
    sizes = {name: len(array) // calls for name, array in outputs.items()}
    return [
        {name: array[i * sizes[name] : (i + 1) * sizes[name]] for name, array in outputs.items()} for i in range(calls)
    ]


def _settle(answer: asyncio.Future[Outputs], result: _Result) -> None:
    """Give a caller who is still there its answer."""
    if answer.done():
        return
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)
