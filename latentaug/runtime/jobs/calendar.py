"""Whether what is old by the clock is old indeed.

A clock that is set forward by weeks makes everything of yesterday weeks old at once. Whoever looks every few seconds
sees that: from one look to the next the clock went on by more. The same is seen after a time in which nobody looked,
which does no harm: what is old then is old a little later, too.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import cast

from redis import Redis

from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key

SOON = timedelta(minutes=10)
"""Longest time from one look to the next while somebody looks every few seconds."""
SHARE, MOST = 24, timedelta(days=1)
"""For this part of the time by which the clock went on, and for a day at most, nothing counts as old."""

_log = logging.getLogger(__name__)


class Calendar:
    """Remembers in Redis when somebody last looked at the clock, for all processes and across restarts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def believed(self, now: datetime) -> bool:
        """Look at the clock, and return whether ages by it can be believed; call it every few seconds.

        Raises:
            Away: Redis does not answer.
        """
        with answering():
            known = cast("list[bytes | None]", self._redis.hmget(key("clock"), "looked", "doubted"))
            looked, doubted = (None if value is None else float(value) for value in known)
            left = self._doubted(0.0 if looked is None else now.timestamp() - looked, doubted or 0.0)
            self._redis.hset(key("clock"), mapping={"looked": now.timestamp(), "doubted": left})
        return left == 0.0

    @staticmethod
    def _doubted(went_on: float, doubted: float) -> float:
        """Seconds for which the clock is doubted, after it has gone on by so many; a clock set back adds none."""
        if went_on <= SOON.total_seconds():
            return max(0.0, doubted - max(0.0, went_on))
        left = max(doubted, min(went_on / SHARE, MOST.total_seconds()))
        _log.warning(
            "the clock went on by %s since somebody last looked; in case it is wrong, nothing is deleted for its age "
            "for %s",
            timedelta(seconds=round(went_on)),
            timedelta(seconds=round(left)),
        )
        return left
