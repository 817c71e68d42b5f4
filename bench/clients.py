"""Callers over HTTP: so many at once that each wait for their answer, or arrivals that wait for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import numpy as np

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
    """
    async with aiohttp.ClientSession() as session:
        return await _body(session, url, request)


async def closed_loop(url: str, request: Request, clients: int, seconds: float, least: int = 1) -> float:
    """Requests answered a second by callers that each send the next when the last is answered.

    Args:
        url: of the server.
        request: sent again and again.
        clients: callers at once.
        seconds: for so long.
        least: requests that each caller sends at least.
    """

    async def caller() -> int:
        count = 0
        while count < least or time.perf_counter() < end:
            await _body(session, url, request)
            count += 1
        return count

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()
        end = started + seconds
        counts = await asyncio.gather(*(caller() for _ in range(clients)))
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
    due = _arrivals(rate, seconds, seed)
    headers = {**request.headers, "X-Request-Timeout": f"{deadline:g}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started, tasks = time.perf_counter(), list[asyncio.Task[Answer]]()
        for at in due:
            if (wait := started + at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(_timed(session, url, request, headers, started + at)))
        return list(await asyncio.gather(*tasks))


def _arrivals(rate: float, seconds: float, seed: int) -> Sequence[float]:
    """Times at which requests are due, seconds from the start."""
    rng, times, now = np.random.default_rng(seed), list[float](), 0.0
    while (now := now + rng.exponential(1 / rate)) < seconds:
        times.append(now)
    return times


async def _body(session: aiohttp.ClientSession, url: str, request: Request) -> bytes:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    target = url + request.path
    async with session.post(target, data=request.body(), headers=request.headers, timeout=timeout) as response:
        body = await response.read()
        if response.status != 200:
            raise SystemExit(f"POST {request.path} answered {response.status}: {body[:500]!r}")
        return body


async def _timed(
    session: aiohttp.ClientSession, url: str, request: Request, headers: Mapping[str, str], due: float
) -> Answer:
    late = time.perf_counter() - due
    status, retry_after = 0, None
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with session.post(url + request.path, data=request.body(), headers=headers, timeout=timeout) as response:
            await response.read()
            status, retry_after = response.status, response.headers.get("Retry-After")
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    ended = time.perf_counter()
    return Answer(status, ended - due, late, ended, retry_after)
