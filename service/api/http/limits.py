"""Limits on each request: bytes of its body, values in JSON, and seconds for its answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from latentaug.errors import DeadlineExceeded, InvalidInput, Stalled, TooLarge
from latentaug.imaging.pixels import room_for_all
from latentaug.runtime.settings import Settings
from service.asgi import headers

LEAST_TIMEOUT = 0.001
"""Seconds: in less nothing can be answered, so that who asks for it is mistaken."""
BLOCK = 2**20
"""Bytes that are put together as they come: one array that grows to the whole body would leave holes in the memory."""
PROGRESS_SECONDS = 10.0
"""Seconds within which as many bytes must come as the slowest rate allows."""
ARRIVED = "latentaug.arrived"
"""In the scope of a request whose body has come whole before it is answered, so that nobody need watch it come."""


async def read_body(
    request: Request, max_bytes: int, slowest: int, room: Callable[[int], None] = room_for_all
) -> bytes:
    """Read the body, and give up as soon as it is, or claims to be, too large, or comes too slowly.

    Args:
        request: whose body to read.
        max_bytes: most bytes.
        slowest: fewest bytes per second, over each `PROGRESS_SECONDS`; 0 where any rate will do.
        room: told of the bytes as they come in; raises where there is no room for more.

    Raises:
        TooLarge: the body has more than `max_bytes`.
        Stalled: it comes more slowly than `slowest`.
    """
    claimed = headers.sent(request.scope, b"content-length") or "0"
    if claimed.isdecimal() and int(claimed) > max_bytes:
        raise _too_large(max_bytes)
    blocks, size, more, loop = [bytearray()], 0, True, asyncio.get_running_loop()
    needed = least = slowest * PROGRESS_SECONDS
    watched = slowest and ARRIVED not in request.scope
    try:
        async with asyncio.timeout(PROGRESS_SECONDS if watched else None) as patience:
            while more:
                message = await request.receive()  # `Request.stream` takes twice the time for a body of one piece
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                room(len(chunk))
                if len(blocks[-1]) >= BLOCK:
                    blocks.append(bytearray())
                blocks[-1] += chunk
                if watched and size >= needed:
                    needed = size + least
                    patience.reschedule(loop.time() + PROGRESS_SECONDS)
    except TimeoutError as error:
        raise Stalled(
            f"after {size} bytes fewer than {slowest} bytes a second came in; send it again where the "
            "connection is better"
        ) from error
    return b"".join(blocks)


def bound_json(body: bytes, max_values: int) -> None:
    """Refuse JSON that holds too many values, before it is parsed.

    Every value but the first follows a bracket or a comma, so counting those bounds the values. In memory a list of
    empty lists takes twenty times as much as its text.

    Raises:
        TooLarge: it may hold more than `max_values`.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > max_values:
        raise TooLarge(f"the JSON holds more than {max_values} values; send fewer, or application/x-npy")


@asynccontextmanager
async def in_time(request: Request, settings: Settings, job: str | None = None) -> AsyncIterator[Callable[[], float]]:
    """Bound the time that an answer may take.

    The bound is `settings.request_timeout`, or less where the caller's `X-Request-Timeout` (seconds) says so.

    Args:
        request: to be answered.
        settings: with that bound.
        job: the kind of job that does the same for a whole data set, if there is one.

    Yields:
        A function that returns how many seconds are left.

    Raises:
        InvalidInput: `X-Request-Timeout` is not a number of at least `LEAST_TIMEOUT`.
        DeadlineExceeded: the time has passed.
    """
    seconds = _timeout(request, settings)
    end = time.monotonic() + seconds
    try:
        async with asyncio.timeout(seconds):
            yield lambda: max(0.0, end - time.monotonic())
    except TimeoutError as error:
        most = f"raise X-Request-Timeout (at most {settings.request_timeout:g})"
        by_a_job = f"upload them as a data set and {job} that by a job, which may take as long as it needs"
        instead = f"{most}, or {by_a_job}" if job else f"or {most}"
        raise DeadlineExceeded(f"no answer within {seconds:g} seconds; send fewer images, {instead}") from error


def _timeout(request: Request, settings: Settings) -> float:
    sent = headers.sent(request.scope, b"x-request-timeout")
    if sent is None:
        return settings.request_timeout
    try:
        seconds = float(sent)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= LEAST_TIMEOUT):
        raise InvalidInput(
            f"X-Request-Timeout is no number of seconds from {LEAST_TIMEOUT:g} on; send one, or leave the header out",
            fields=[("X-Request-Timeout", f"must be a number of at least {LEAST_TIMEOUT:g}")],
        )
    return min(seconds, settings.request_timeout)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body has more than {max_bytes} bytes; send it in smaller parts")
