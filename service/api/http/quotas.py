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

from anyio import to_thread
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
MEGABYTE = 10**6


@dataclass
class _Advance:
    """What was taken in advance for one caller.

    Attributes:
        left: how much of it.
        end: when it can no longer be used, on the clock of `time.monotonic`.
        asking: whether more is being asked for already.
    """

    left: int
    end: float
    asking: bool = False

    def usable(self, needed: int) -> bool:
        """Whether so much of it is left in time."""
        return self.left >= needed and time.monotonic() < self.end


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

    async def take(self, caller: str, needed: int) -> None:
        """Count `needed` for a caller.

        Raises:
            TooManyRequests: the caller exceeds the rate.
            TooLarge: nobody may have so much at once.
        """
        if needed > self._rate.most:
            raise TooLarge(f"this request has more {self._rate.name} than {self._written} allows; send it in parts")
        held = self._advances.get(caller)
        if held is None or not held.usable(needed):
            again = await self._ask(caller, needed)
            held = self._advances.get(caller)
            if held is None or not held.usable(needed):
                await self._refuse_or_count_here(caller, needed, again)
                return
        held.left -= needed
        if held.left < self._step // 2 and not held.asking:
            held.asking = True
            task = asyncio.create_task(self._ask_ahead(caller, held))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _step(self) -> int:
        return self._rate.most // ADVANCE

    async def _ask_ahead(self, caller: str, held: _Advance) -> None:
        await self._ask(caller, 1)
        held.asking = False

    async def _ask(self, caller: str, needed: int) -> float | None:
        """Ask Redis for more; return when to ask again where it gave nothing, and None where it did not answer."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(ASK_SECONDS):
                granted, seconds = await to_thread.run_sync(
                    self._ask_redis, caller, needed, self._step, abandon_on_cancel=True
                )
        except (LatentaugError, TimeoutError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None
        if granted:
            self._hold(caller, granted, time.monotonic() + seconds)
        return seconds

    def _ask_redis(self, caller: str, needed: int, wanted: int) -> tuple[int, float]:
        if self._allowances is None:
            self._allowances = Allowances(connect(self._settings, socket_timeout=ASK_SECONDS))
        return self._allowances.take(self._rate, caller, needed, wanted)

    def _hold(self, caller: str, granted: int, end: float) -> None:
        held = self._advances.get(caller)
        if held is not None and time.monotonic() < held.end:
            held.left += granted
            held.end = end
            return
        if len(self._advances) >= MOST_CALLERS:
            self._advances.clear()
        self._advances[caller] = _Advance(granted, end)

    async def _refuse_or_count_here(self, caller: str, needed: int, again: float | None) -> None:
        """Refuse a caller to whom Redis gave nothing; where Redis did not answer, count in this process alone."""
        if again is None:
            if await self._local.hit(self._local_rate, caller, cost=math.ceil(needed / self._unit)):
                return
            stats = await self._local.get_window_stats(self._local_rate, caller)
            again = stats.reset_time - time.time()
        raise TooManyRequests(
            f"you have sent more {self._rate.name} than {self._written} allows; wait as long as Retry-After says",
            retry_after=max(1.0, again),
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
