"""What is known of a part of the service, asked again only now and then, as the question costs the part something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

SECONDS = 3.0
"""How long an answer holds."""


class Probe:
    """The latest answer of one part, however many ask, and one question at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._asked = -SECONDS
        self._fault: str | None = None

    async def fault(self, question: Callable[[], Awaitable[str | None]]) -> str | None:
        """Return what the part's latest answer was, after asking again if that was too long ago."""
        async with self._lock:
            if time.monotonic() - self._asked >= SECONDS:
                self._fault = await question()
                self._asked = time.monotonic()
            return self._fault
