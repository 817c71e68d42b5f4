"""How much each caller may ask for in a time: requests, and bytes of their bodies.

What callers take is counted in Redis, so that it holds for all API processes together. So that hardly any request waits
for Redis, a process takes a part of what a caller may have in advance; what it does not use by the end of the window of
time is lost to the caller. While Redis is away, each process counts for itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from latentaug.errors import LatentaugError, TooLarge, TooManyRequests
from latentaug.runtime.jobs import connect
from latentaug.runtime.jobs.allowances import Allowances, Rate
from latentaug.runtime.settings import Settings

ADVANCE = 20
"""A process takes at most this part, a twentieth, of what a caller may have in a window in advance."""
ASK_SECONDS = 0.5
"""Seconds within which Redis must answer; a request waits no longer."""
AWAY_SECONDS = 5.0
"""Seconds after which a Redis that did not answer is asked again."""
MOST_CALLERS = 10_000
"""Callers for whom something is held in advance, so that the addresses of many do not fill the memory."""
THREADS = 8
"""Threads that may wait for Redis at once, none of which other work needs."""
MEGABYTE = 10**6


@dataclass
class _Advance:
    """What was taken in advance for one caller.

    Attributes:
        left: how much of it.
        end: when it can no longer be used, on the clock of `time.monotonic`.
        asking: whether more is being asked for already.
        refused: how much Redis refused to give.
        refused_until: until when nobody asks it for so much again, on the same clock.
    """

    left: int = 0
    end: float = 0.0
    asking: bool = False
    refused: int = 0
    refused_until: float = 0.0


class Quota:
    """One rate for every caller."""

    def __init__(self, name: str, written: str, unit: int, settings: Settings) -> None:
        """Set the rate.

        Args:
            name: what is counted, for a person.
            written: the rate as in the settings, such as `100/second`.
            unit: how much one of it is.
            settings: where Redis is.

        Raises:
            ValueError: it is not a rate.
        """
        self._local_rate = parse(written)
        self._rate = Rate(name, self._local_rate.amount * unit, self._local_rate.get_expiry())
        self._unit = unit
        self._written = written
        self._settings = settings
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._allowances: Allowances | None = None
        self._away_until = 0.0
        self._advances: dict[str, _Advance] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = CapacityLimiter(THREADS)

    async def take(self, caller: str, needed: int) -> None:
        """Count `needed` for a caller.

        Raises:
            TooManyRequests: the caller exceeds the rate.
            TooLarge: nobody may have so much at once.
        """
        if needed > self._rate.most:
            raise TooLarge(f"this request has more {self._rate.name} than {self._written} allows; send it in parts")
        while (held := self._held(caller)).left < needed:
            if needed >= held.refused and time.monotonic() < held.refused_until:
                raise self._refusal(self._deaf_seconds)
            answer = await self._ask(caller, needed - held.left)
            if answer is None:
                await self._count_here(caller, needed)
                return
            granted, seconds = answer
            if not granted:
                held.refused, held.refused_until = needed, time.monotonic() + self._deaf_seconds
                raise self._refusal(seconds)
        held.left -= needed
        if held.left < self._step // 2 and not held.asking:
            held.asking = True
            task = asyncio.create_task(self._ask_ahead(caller, held))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _step(self) -> int:
        """How much is taken in advance."""
        return self._rate.most // ADVANCE

    @property
    def _deaf_seconds(self) -> float:
        """For how long a caller who was refused is refused unasked, so that insisting costs Redis nothing."""
        return min(1.0, self._rate.seconds / ADVANCE)

    async def _ask_ahead(self, caller: str, held: _Advance) -> None:
        await self._ask(caller, 1)
        held.asking = False

    async def _ask(self, caller: str, needed: int) -> tuple[int, float] | None:
        """Ask Redis for more, and hold what it gives; return its answer, or None where there was none in time."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(ASK_SECONDS):
                granted, seconds = await to_thread.run_sync(
                    self._ask_redis, caller, needed, self._step, abandon_on_cancel=True, limiter=self._threads
                )
        except (LatentaugError, TimeoutError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None
        if granted:
            held = self._held(caller)
            held.left += granted
            held.end = time.monotonic() + seconds
        return granted, seconds

    def _ask_redis(self, caller: str, needed: int, wanted: int) -> tuple[int, float]:
        if self._allowances is None:
            self._allowances = Allowances(connect(self._settings, socket_timeout=ASK_SECONDS))
        return self._allowances.take(self._rate, caller, needed, wanted)

    def _held(self, caller: str) -> _Advance:
        """What is held for a caller and can still be used."""
        held = self._advances.get(caller)
        if held is None:
            if len(self._advances) >= MOST_CALLERS:
                self._advances.clear()
            held = self._advances[caller] = _Advance()
        if time.monotonic() >= held.end:
            held.left = 0
        return held

    async def _count_here(self, caller: str, needed: int) -> None:
        """Count in this process alone, as Redis does not answer."""
        if not await self._local.hit(self._local_rate, caller, cost=math.ceil(needed / self._unit)):
            stats = await self._local.get_window_stats(self._local_rate, caller)
            raise self._refusal(stats.reset_time - time.time())

    def _refusal(self, seconds: float) -> TooManyRequests:
        return TooManyRequests(
            f"you have sent more {self._rate.name} than {self._written} allows; wait as long as Retry-After says",
            retry_after=max(1.0, seconds),
        )


class Quotas:
    """The rates that the settings give."""

    def __init__(self, settings: Settings) -> None:
        """Read the rates.

        Raises:
            ValueError: one of them is not a rate.
        """
        self._settings = settings
        self._requests = _quota("requests", settings.rate_limit, 1, settings)
        self._megabytes = _quota("megabytes", settings.upload_limit, MEGABYTE, settings)

    async def count(self, caller: str, request: Request) -> None:
        """Count one request of a caller, before its body is read.

        Raises:
            TooManyRequests: the caller exceeds a rate.
            TooLarge: the body has more bytes than the caller may send in a window.
        """
        if self._requests is not None:
            await self._requests.take(caller, 1)
        if self._megabytes is not None and (size := self._body_size(request)):
            await self._megabytes.take(caller, size)

    def _body_size(self, request: Request) -> int:
        """Bytes that the body is announced with; the most that most requests may have where it comes unannounced."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            return int(announced)
        return self._settings.max_body_bytes if "transfer-encoding" in request.headers else 0


def _quota(name: str, written: str | None, unit: int, settings: Settings) -> Quota | None:
    return None if written is None else Quota(name, written, unit, settings)
