"""The webhooks that are still to be sent: in Redis from the moment in which their job ends, by the same script.

Whoever takes one holds it for the length of a lease. If the process dies meanwhile, another one takes it after that, so
that a webhook is sent at least once.
"""

from __future__ import annotations

import time

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key


class Outbox:
    """Ids of ended jobs whose webhook is to be sent. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = scripts.load(redis, "take_webhook")

    def take(self, lease: float) -> tuple[str, int] | None:
        """Take the webhook that has been due longest, for `lease` seconds.

        Returns:
            The job's id and which try this is, counted from 1; None where nothing is due.
        """
        with answering():
            taken = self._take(args=[time.time(), lease])
        return None if taken is None else (taken[0].decode(), int(taken[1]))

    def try_again(self, job_id: str, seconds: float) -> None:
        """Have it taken again in so many seconds."""
        with answering():
            self._redis.zadd(key("webhooks"), {job_id: time.time() + seconds}, xx=True)

    def drop(self, job_id: str) -> None:
        """Forget one that was delivered, or that was tried often enough."""
        with answering():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.zrem(key("webhooks"), job_id)
            pipeline.hdel(key("webhook-tries"), job_id)
            pipeline.execute()
