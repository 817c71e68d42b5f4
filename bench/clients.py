"""Callers over HTTP: so many at once that each wait for their answer, or arrivals that wait for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from bench.connection import Connection, Response, connect
from bench.workload import Request

TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status; 0 where the connection broke.
        seconds: from when it was due to be sent until it was here.
        late: seconds that the caller itself was behind its schedule.
        ended: on the monotonic clock.
        retry_after: the header, or None.
    """

    status: int
    seconds: float
    late: float
    ended: float
    retry_after: str | None


async def call(url: str, request: Request) -> bytes:
    """One answer's body.

    Raises:
        SystemExit: any other status than 200, in the server's own words.
        OSError: the server is not there.
    """
    with closing(await connect(url)) as connection:
        return await _body(connection, request, request.written(url))


async def closed_loop(url: str, request: Request, clients: int, seconds: float, least: int = 1) -> float:
    """Requests answered a second by callers that each send the next when the last is answered.

    Args:
        url: of the server.
        request: sent again and again.
        clients: callers at once.
        seconds: for so long.
        least: requests that each caller sends at least.
    """
    written = request.written(url)

    async def caller(connection: Connection) -> int:
        count = 0
        while count < least or time.perf_counter() < end:
            await _body(connection, request, written)
            count += 1
        return count

    with ExitStack() as stack:
        connections = [stack.enter_context(closing(await connect(url))) for _ in range(clients)]
        started = time.perf_counter()
        end = started + seconds
        counts = await asyncio.gather(*map(caller, connections))
        return sum(counts) / (time.perf_counter() - started)


async def open_loop(
    url: str, request: Request, rate: float, seconds: float, deadline: float, seed: int
) -> list[Answer]:
    """Answers to arrivals that follow a Poisson process, whether the server keeps up or not.

    Latency counts from when a request was due, so that a caller which falls behind cannot hide a slow server.

    Args:
        url: of the server.
        request: sent again and again.
        rate: arrivals a second, in the mean.
        seconds: arrivals go on for so long.
        deadline: seconds, sent along as `X-Request-Timeout`.
        seed: of the arrivals.
    """
    written = request.written(url, {"X-Request-Timeout": f"{deadline:g}"})
    with ExitStack() as stack:
        idle, started, tasks = list[Connection](), time.perf_counter(), list[asyncio.Task[Answer]]()

        async def timed(due: float) -> Answer:
            late = time.perf_counter() - due
            try:
                while idle and not idle[-1].open:
                    idle.pop()
                connection = idle.pop() if idle else stack.enter_context(closing(await connect(url)))
                async with asyncio.timeout(TIMEOUT):
                    response = await connection.ask(written)
                idle.append(connection)
            except (OSError, TimeoutError):
                response = Response(0, {}, b"")
            ended = time.perf_counter()
            return Answer(response.status, ended - due, late, ended, response.headers.get("retry-after"))

        for at in _arrivals(rate, seconds, seed):
            if (wait := started + at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(timed(started + at)))
        return list(await asyncio.gather(*tasks))


def _arrivals(rate: float, seconds: float, seed: int) -> Sequence[float]:
    """Times at which requests are due, seconds from the start."""
    rng, times, now = np.random.default_rng(seed), list[float](), 0.0
    while (now := now + rng.exponential(1 / rate)) < seconds:
        times.append(now)
    return times


async def _body(connection: Connection, request: Request, written: bytes) -> bytes:
    async with asyncio.timeout(TIMEOUT):
        response = await connection.ask(written)
    if response.status != 200:
        raise SystemExit(f"POST {request.path} answered {response.status}: {response.body[:500]!r}")
    return response.body
