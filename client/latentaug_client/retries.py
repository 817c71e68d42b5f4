"""When to send again: after as long as the service says, or twice as long as before, a bounded number of times."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import httpx

from latentaug_client import errors
from latentaug_client.calls import Call

AGAIN = {429, 503}


@dataclass(frozen=True)
class Retries:
    """How often, and how long to wait at most.

    Attributes:
        attempts: requests in all, at least 1.
        pause: seconds after the first attempt where the service names none; doubled each time, half of it by chance.
        longest: seconds of one pause. A service that asks for a longer one gets no further attempt.
    """

    attempts: int = 5
    pause: float = 0.5
    longest: float = 60.0

    def after_answer(self, response: httpx.Response, attempt: int) -> float | None:
        """Seconds to wait before the next attempt; None where there is to be none."""
        if response.status_code not in AGAIN or attempt >= self.attempts:
            return None
        asked = errors.retry_after(response)
        if asked is None:
            return self._growing(attempt)
        return asked if asked <= self.longest else None

    def after_break(self, call: Call[Any], error: httpx.TransportError, attempt: int) -> float | None:
        """The same where no answer came: only for what never arrived, or may arrive twice."""
        never_arrived = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        if attempt >= self.attempts or not (never_arrived or call.repeatable):
            return None
        return self._growing(attempt)

    def _growing(self, attempt: int) -> float:
        pause = min(self.longest, self.pause * 2.0 ** (attempt - 1))
        return pause * random.uniform(0.5, 1)  # noqa: S311 (so that many clients do not come back together)
