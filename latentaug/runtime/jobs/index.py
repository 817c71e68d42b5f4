"""The index of all jobs in Redis, which lists are read from; the scripts keep it as jobs move on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.record import ENDS, KINDS, LIVING, STATUSES, JobRecord, Kind, Status, is_id

_BATCH = 500
"""Jobs that are added in one script, during which Redis does nothing else."""


class JobIndex:
    """Ids of jobs by kind and status. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = scripts.load(redis, "index")

    def page(
        self,
        kinds: Iterable[Kind],
        statuses: Sequence[Status],
        before: str | None,
        limit: int,
        tenant: str | None = None,
    ) -> list[str]:
        """Read the ids of the newest `limit` jobs of these kinds and statuses, newest first.

        Args:
            kinds: which kinds.
            statuses: which statuses.
            before: only jobs that were made before the one with this id.
            limit: how many at most.
            tenant: only this tenant's; None for all jobs.
        """
        newest = "+" if before is None else f"({before}"
        whose = [] if tenant is None else [tenant]
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for kind in kinds:
                for status in statuses:
                    shelf = key("jobs", kind, status, *whose)
                    pipeline.zrange(shelf, newest, "-", desc=True, bylex=True, offset=0, num=limit)
            found = {job_id.decode() for ids in pipeline.execute() for job_id in ids}
        return sorted(found, reverse=True)[:limit]

    def unfinished(self) -> list[str]:
        """Read the ids of all jobs that wait or run."""
        return self._all(LIVING)

    def ended_before(self, second: float, limit: int) -> list[str]:
        """Read the ids of at most `limit` jobs that ended before `second` of Unix time, the first to end first."""
        with answering():
            ids = cast("list[bytes]", self._redis.zrangebyscore(key("ends"), "-inf", f"({second}", 0, limit))
        return [job_id.decode() for job_id in ids]

    def drop(self, job_id: str) -> None:
        """Forget an ended job."""
        with answering():
            tenant = cast("bytes | None", self._redis.hget(key("tenants"), job_id))
            pipeline = self._redis.pipeline(transaction=True)
            for kind in KINDS:
                for status in ENDS:
                    pipeline.zrem(key("jobs", kind, status), job_id)
                    if tenant is not None:
                        pipeline.zrem(key("jobs", kind, status, tenant.decode()), job_id)
            pipeline.hdel(key("tenants"), job_id)
            pipeline.zrem(key("ends"), job_id)
            pipeline.srem(key("emptied"), job_id)
            pipeline.execute()

    def is_complete(self) -> bool:
        """Return whether the index holds all jobs; it no longer does once Redis has been emptied."""
        with answering():
            return bool(self._redis.exists(key("indexed")))

    def lacks(self, stored: Iterable[str]) -> list[str]:
        """Return the ids of jobs that are not in the index, of those `stored` and of those with a record in Redis."""
        with answering():
            names = [name.decode().rpartition(":")[2] for name in self._redis.scan_iter(key("job", "*"), count=1000)]
        return sorted({*stored, *filter(is_id, names)} - set(self._all(STATUSES)))

    def complete(self, records: Sequence[JobRecord]) -> None:
        """Add these records, which the index lacked; from then on it is complete."""
        with answering():
            for start in range(0, len(records), _BATCH):
                arguments: list[str | float] = []
                for record in records[start : start + _BATCH]:
                    ended = "" if record.ended_at is None else record.ended_at.timestamp()
                    arguments += [record.id, record.kind, record.status, ended, record.tenant or ""]
                self._add(args=arguments)
            self._redis.set(key("indexed"), 1)

    def _all(self, statuses: Iterable[Status]) -> list[str]:
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for status in statuses:
                for kind in KINDS:
                    pipeline.zrange(key("jobs", kind, status), 0, -1)
            return sorted(job_id.decode() for ids in pipeline.execute() for job_id in ids)
