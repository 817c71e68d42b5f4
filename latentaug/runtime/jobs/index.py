"""The index of all jobs in Redis, which lists are read from; the scripts keep it as jobs move on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import cast

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.record import ENDS, KINDS, LIVING, STATUSES, JobRecord, Kind, Status, is_id
from latentaug.storage import formats

_FULL, _EMPTIED, _EMPTIED_EARLIER = key("ends"), key("ends-emptied"), key("emptied")
_BATCH = 500
"""Jobs that are dealt with at once, during which Redis does nothing else."""


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Return these ids in their order, as many at a time as may be dealt with at once."""
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


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
        return self._first_to_end([_FULL, _EMPTIED], second, limit)

    def full_before(self, second: float, limit: int) -> list[str]:
        """The same of jobs whose files were not deleted."""
        return self._first_to_end([_FULL], second, limit)

    def empty(self, ids: Sequence[str]) -> None:
        """Note that the files of these ended jobs were deleted; those no longer in the index are passed over."""
        with answering():
            for batch in batches(ids):
                pipeline = self._redis.pipeline(transaction=False)
                for job_id in batch:
                    pipeline.zscore(_FULL, job_id)
                ends = zip(batch, pipeline.execute(), strict=True)
                if seconds := {job_id: second for job_id, second in ends if second is not None}:
                    pipeline = self._redis.pipeline(transaction=True)
                    pipeline.zadd(_EMPTIED, seconds)
                    pipeline.zrem(_FULL, *seconds)
                    pipeline.execute()

    def adopt_emptied(self) -> None:
        """Take over what an earlier version has noted: a set of the ids of emptied jobs, which `ends` held as well."""
        with answering():
            noted = cast("set[bytes]", self._redis.smembers(_EMPTIED_EARLIER))
            if noted:
                self.empty(sorted(job_id.decode() for job_id in noted))
                self._redis.delete(_EMPTIED_EARLIER)

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
            pipeline.zrem(_FULL, job_id)
            pipeline.zrem(_EMPTIED, job_id)
            pipeline.execute()

    def is_complete(self) -> bool:
        """Return whether the index holds all jobs; it no longer does once Redis has been emptied.

        Raises:
            Newer: a newer service has made it.
        """
        with answering():
            found = int(cast("bytes | None", self._redis.get(key("indexed"))) or 0)
        formats.check(found, "the index of jobs")
        return found == formats.FORMAT

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Return those of these ids of jobs that are not in the index."""
        return sorted(set(names) - set(self._all(STATUSES)))

    def recorded(self) -> list[str]:
        """Read the ids of all jobs that have a record in Redis, which takes a look at every key."""
        with answering():
            names = [name.decode().rpartition(":")[2] for name in self._redis.scan_iter(key("job", "*"), count=1000)]
        return [name for name in names if is_id(name)]

    def add(self, records: Sequence[JobRecord]) -> None:
        """Add the jobs of these records, during which Redis does nothing else."""
        arguments: list[str | float] = []
        for record in records:
            ended = "" if record.ended_at is None else record.ended_at.timestamp()
            arguments += [record.id, record.kind, record.status, ended, record.tenant or ""]
        with answering():
            self._add(args=arguments)

    def begin(self) -> None:
        """Note that the jobs that the index lacks are being added."""
        with answering():
            self._redis.set(key("indexing"), 1)

    def end(self) -> None:
        """Note that the index holds all jobs, unless Redis was emptied since this began."""
        with answering():
            if self._redis.delete(key("indexing")):
                self._redis.set(key("indexed"), formats.FORMAT)

    def _first_to_end(self, shelves: Sequence[str], second: float, limit: int) -> list[str]:
        with answering():
            pipeline = self._redis.pipeline(transaction=True)  # a job moves from one to the other
            for shelf in shelves:
                pipeline.zrangebyscore(shelf, "-inf", f"({second}", 0, limit, withscores=True)
            found = [end for ends in pipeline.execute() for end in ends]
        return [job_id.decode() for job_id, _ in sorted(found, key=itemgetter(1, 0))[:limit]]

    def _all(self, statuses: Iterable[Status]) -> list[str]:
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for status in statuses:
                for kind in KINDS:
                    pipeline.zrange(key("jobs", kind, status), 0, -1)
            return sorted(job_id.decode() for ids in pipeline.execute() for job_id in ids)
