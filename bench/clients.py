"""Callers over HTTP: a number of clients that each wait for their answers, or arrivals that wait for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import aiohttp
import numpy as np

from bench.connection import Connection, Response, connect
from bench.workload import Request

TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status; 0 where the connection broke.
        seconds: the time from when the request was due to be sent until its answer was here.
        late: seconds by which the caller itself was behind its schedule.
        ended: when the answer was here, on the monotonic clock.
        retry_after: the header `Retry-After`, or None.
    """

    status: int
    seconds: float
    late: float
    ended: float
    retry_after: str | None


async def call(url: str, request: Request) -> bytes:
    """Send one request and return the body of the answer.

    Raises:
        SystemExit: the status is not 200; the message is the server's.
        OSError: the server is not there.
    """
    with closing(await connect(url)) as connection:
        return await _body(connection, request, request.written(url))


async def closed_loop(url: str, request: Request, clients: int, seconds: float, least: int = 1) -> float:
    """Measure the requests answered per second where each caller sends its next one when its last one is answered.

    Args:
        url: the server's URL.
        request: what is sent again and again.
        clients: how many callers there are.
        seconds: how long they go on.
        least: the fewest requests that each caller sends.
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


async def outside_loop(url: str, request: Request, clients: int, seconds: float) -> float:
    """Measure the same with aiohttp's client: what callers see who write theirs with a library."""

    async def caller(session: aiohttp.ClientSession) -> int:
        count = 0
        while time.perf_counter() < end:
            async with session.post(url + request.path, data=request.body, headers=request.headers) as response:
                body = await response.read()
                if response.status != 200:
                    raise SystemExit(f"{response.status}: {body[:500].decode(errors='replace')}")
            count += 1
        return count

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        started = time.perf_counter()
        end = started + seconds
        counts = await asyncio.gather(*(caller(session) for _ in range(clients)))
        return sum(counts) / (time.perf_counter() - started)


async def open_loop(
    url: str, request: Request, rate: float, seconds: float, deadline: float, seed: int
) -> list[Answer]:
    """Send requests as a Poisson process, whether the server keeps up or not, and return the answers.

    Latency counts from when a request was due, so that a caller that falls behind cannot hide a slow server.

    Args:
        url: the server's URL.
        request: what is sent again and again.
        rate: mean arrivals per second.
        seconds: how long requests go on arriving.
        deadline: seconds that are sent along as `X-Request-Timeout`.
        seed: seed of the arrivals.
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
    """The times at which requests are due, in seconds from the start."""
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
