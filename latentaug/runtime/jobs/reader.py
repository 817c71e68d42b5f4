"""What can be read about jobs: from Redis, and from the artefact store once they have ended."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from redis import Redis

from latentaug.errors import Damaged, InvalidInput, Newer, NotFound, Unavailable
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.index import JobIndex, batches
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.record import (
    ENDS,
    KINDS,
    LIVING,
    STATUSES,
    Event,
    JobRecord,
    Kind,
    Status,
    check_id,
    end_event_data,
    from_fields,
    is_id,
    parent_id,
)
from latentaug.storage import formats
from latentaug.storage.objects import ArtefactStore

_EVENT_ID = re.compile(r"\d{1,18}-\d{1,18}", re.ASCII)  # Redis's ids, far within their 64 bits
_READS_AT_ONCE = 16
PATIENCE = 2.0
"""Seconds that a list waits while another one rebuilds the index."""

_log = logging.getLogger(__name__)


class JobReader:
    """Reads records and events."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore) -> None:
        self._redis = redis
        self._artefacts = artefacts
        self._index = JobIndex(redis)
        self._rebuilding = threading.Lock()

    def get(self, job_id: str) -> JobRecord:
        """Read a record, from the artefact store where Redis has none or does not answer.

        Raises:
            NotFound: there is no such job.
            Unavailable: Redis does not answer, and the artefact store has no record of an end.
            Damaged: its record cannot be read.
            Newer: a newer service has made it.
        """
        try:
            record = self._living(check_id(job_id)) or self._stored(job_id)
        except Unavailable:
            record = self._stored(job_id)
            if record is None:
                raise
        if record is None:
            raise NotFound.named("jobs", job_id)
        return record

    def unfinished(self) -> list[JobRecord]:
        """Read the records of all jobs that wait or run, by id.

        Raises:
            Unavailable: Redis does not answer.
        """
        found = self._living_records(self._index.unfinished())
        return [record for record in found if not record.ended]

    def events(self, job_id: str, after: str | None = None) -> list[Event]:
        """Read a job's events after the one with the id `after`, or from the start of what is kept (about 2,000).

        The events of an ended job always close with its `end` event, even where `after` is its id.

        Raises:
            NotFound: there is no such job.
            InvalidInput: `after` is not an event's id.
            Unavailable: Redis does not answer, and the artefact store has no record of an end.
        """
        if after is not None and not _EVENT_ID.fullmatch(after):
            raise InvalidInput("Last-Event-ID is not the id of an event", fields=[("Last-Event-ID", "unknown")])
        record = self.get(job_id)
        try:
            events = self._stream(job_id, after)
        except Unavailable:
            if not record.ended:
                raise
            events = []
        if record.ended and not (events and events[-1].type == "end"):
            ended_at = record.ended_at or record.created_at
            events.append(Event(f"{int(ended_at.timestamp() * 1000)}-0", "end", end_event_data(record)))
        return events

    def counts(self) -> dict[tuple[Kind, Status], int]:
        """Count jobs by kind and status: those that wait and run, and those that ended since Redis was last empty.

        Raises:
            Unavailable: Redis does not answer.
        """
        found: dict[tuple[Kind, Status], int] = {}
        with answering():
            ended = cast("dict[bytes, bytes]", self._redis.hgetall(key("ended")))
            for kind in KINDS:
                for living in LIVING:
                    found[kind, living] = self._redis.zcard(key("jobs", kind, living))
                for end in ENDS:
                    found[kind, end] = int(ended.get(f"{kind}:{end}".encode(), 0))
        return found

    def counted(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Read what workers have done since Redis was last empty: by name, then by kind, or by kind and status.

        Raises:
            Unavailable: Redis does not answer.
        """
        with answering():
            fields = cast("dict[bytes, bytes]", self._redis.hgetall(key("counted")))
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for field, value in fields.items():
            name, *labels = field.decode().split(":")
            found.setdefault(name, {})[tuple(labels)] = float(value)
        return found

    def origin(self, job_id: str) -> dict[str, str]:
        """Read the `request_id` and `traceparent` of the request that made a job that has not ended, or its sub-job.

        Raises:
            Unavailable: Redis does not answer.
        """
        names = ["request_id", "traceparent"]
        with answering():
            found = cast("Any", self._redis.hmget(key("job", parent_id(job_id) or job_id), names))
        return {name: value.decode() for name, value in zip(names, found, strict=True) if value}

    def complete_index(self) -> None:
        """Add to the index what it lacks: everything once Redis was emptied, or what was put into the store since.

        Raises:
            Unavailable: Redis does not answer.
        """
        self._index.begin()
        # An early version left records in Redis and no index; once there is one, the scripts put every record into it.
        recorded = [] if self._index.is_complete() else self._index.recorded()
        stored = [name for name in self._artefacts.folders("jobs") if is_id(name)]
        for batch in batches(self._index.lacks([*recorded, *stored])):
            self._index.add(self._records(batch))
        self._index.end()

    def _rebuild_index(self) -> None:
        """Complete the index after Redis was emptied, for all who wait for it: one of them reads the store."""
        if not self._rebuilding.acquire(timeout=PATIENCE):
            detail = "jobs cannot be listed until their index is complete, as Redis was emptied; try again soon"
            raise Unavailable(detail, retry_after=PATIENCE)
        try:
            while not self._index.is_complete():  # Redis may be emptied once more
                self.complete_index()
        finally:
            self._rebuilding.release()

    def _living(self, job_id: str) -> JobRecord | None:
        with answering():
            fields = cast("dict[bytes, bytes]", self._redis.hgetall(key("job", job_id)))
        try:
            return from_fields(fields) if fields else None
        except ValueError as error:
            raise _damaged(job_id) from error

    def _living_records(self, ids: Iterable[str]) -> list[JobRecord]:
        """The records in Redis of those `ids` that have one there, in that order, without those that cannot be read."""
        wanted = list(ids)
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for job_id in wanted:
                pipeline.hgetall(key("job", job_id))
            found = cast("list[dict[bytes, bytes]]", pipeline.execute())
        records = []
        for job_id, fields in zip(wanted, found, strict=True):
            try:
                records += [from_fields(fields)] if fields else []
            except (ValueError, Newer) as error:
                _log.warning("the record of job %s in Redis cannot be read: %s", job_id, error)
        return records

    def _stored(self, job_id: str) -> JobRecord | None:
        try:
            data = self._artefacts.get(f"jobs/{job_id}/record.json")
            return formats.read(JobRecord, data, f"the record of job {job_id}")
        except NotFound:
            return None
        except ValueError as error:
            raise _damaged(job_id) from error

    def _readable(self, job_id: str) -> JobRecord | None:
        """The stored record; None also where it cannot be read, so that one such record does not hide all others."""
        try:
            return self._stored(job_id)
        except (Damaged, Newer) as error:
            _log.warning("%s: %s", error, error.__cause__)
            return None

    def _records(self, ids: Sequence[str]) -> list[JobRecord]:
        """The records of those `ids` that have one, in that order: from Redis at once, the others from the store."""
        found = {record.id: record for record in self._living_records(ids)}
        missing = [job_id for job_id in ids if job_id not in found]
        if missing:
            with ThreadPoolExecutor(min(_READS_AT_ONCE, len(missing))) as pool:
                found |= {record.id: record for record in pool.map(self._readable, missing) if record is not None}
        return [found[job_id] for job_id in ids if job_id in found]

    def _stream(self, job_id: str, after: str | None) -> list[Event]:
        start = "-" if after is None else f"({after}"
        with answering():
            entries = cast("list[Any]", self._redis.xrange(key("events", job_id), min=start))
        return [
            Event(event_id.decode(), fields[b"type"].decode(), json.loads(fields[b"data"]))
            for event_id, fields in entries
        ]

    # Last in the class: below it, `list` would name this method in annotations.
    def list(
        self,
        kind: Kind | None = None,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
        tenant: str | None = None,
    ) -> tuple[list[JobRecord], str | None]:
        """Read records, newest first; at most one more is read from the store than is returned.

        Args:
            kind: only this kind.
            status: only this status.
            limit: most records, 1 to 500.
            cursor: the second value that the call before returned, to go on from there.
            tenant: only this tenant's; None for all jobs.

        Returns:
            The records, and the cursor of the next page or None.

        Raises:
            InvalidInput: a bad limit or cursor.
            Unavailable: Redis does not answer, or was emptied and the index is being rebuilt.
        """
        if not 1 <= limit <= 500:
            raise InvalidInput("limit must be 1 to 500", fields=[("limit", "must be 1 to 500")])
        if cursor is not None and not is_id(cursor):
            raise InvalidInput("cursor is not one that a list of jobs gave", fields=[("cursor", "unknown")])
        if not self._index.is_complete():
            self._rebuild_index()
        kinds = KINDS if kind is None else (kind,)
        statuses = STATUSES if status is None else (status,)
        found: list[JobRecord] = []
        while (wanted := limit + 1 - len(found)) > 0:
            ids = self._index.page(kinds, statuses, cursor, wanted, tenant)
            # A job may have moved on or been deleted since the index was read; then another one is read in its place.
            found += [record for record in self._records(ids) if record.kind in kinds and record.status in statuses]
            if len(ids) < wanted:
                return found, None
            cursor = ids[-1]
        return found[:limit], found[limit - 1].id


def _damaged(job_id: str) -> Damaged:
    return Damaged(f"the record of job {job_id} is damaged and cannot be read; run the job again")
