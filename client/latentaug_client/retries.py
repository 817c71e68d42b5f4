"""When a request is sent again: after as long as the service says, or after growing pauses, a few times at most."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import httpx

from latentaug_client import errors
from latentaug_client.calls import Call

AGAIN = {429, 503}
"""Statuses that say that the same request may succeed later."""


@dataclass(frozen=True)
class Retries:
    """How often a request is sent, and how long to wait between.

    Attributes:
        attempts: how often it is sent in all, at least 1.
        pause: seconds to wait after the first attempt if the service names no time. The pause doubles each time, and
            up to half of it is left out at random, so that many clients do not come back together.
        longest: most seconds to wait. If the service asks for more, the request is not sent again.
    """

    attempts: int = 5
    pause: float = 0.5
    longest: float = 60.0

    def after_answer(self, response: httpx.Response, attempt: int) -> float | None:
        """Seconds to wait after an answer that is no success, or None if the request is not sent again."""
        if response.status_code not in AGAIN or attempt >= self.attempts:
            return None
        asked = errors.retry_after(response)
        if asked is None:
            return self._growing(attempt)
        return asked if asked <= self.longest else None

    def after_break(self, call: Call[Any], error: httpx.TransportError, attempt: int) -> float | None:
        """Seconds to wait after a broken connection, or None if the request is not sent again.

        It is sent again only if it cannot have arrived, or may arrive twice.
        """
        never_arrived = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        if attempt >= self.attempts or not (never_arrived or call.repeatable):
            return None
        return self._growing(attempt)

    def _growing(self, attempt: int) -> float:
        pause = min(self.longest, self.pause * 2.0 ** (attempt - 1))
        return pause * random.uniform(0.5, 1)  # noqa: S311 (no secret depends on it)
