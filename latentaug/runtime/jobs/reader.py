"""What can be read about jobs: from Redis, and from the artefact store what has ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from redis import Redis

from latentaug.errors import InvalidInput, NotFound, Unavailable
from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.record import (
    ENDS,
    KINDS,
    LIVING,
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
from latentaug.storage.objects import ArtefactStore

_EVENT_ID = re.compile(r"\d{1,18}-\d{1,18}", re.ASCII)  # Redis's ids, far within their 64 bits


class JobReader:
    """Reads records and events."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore) -> None:
        self._redis = redis
        self._artefacts = artefacts

    def get(self, job_id: str) -> JobRecord:
        """Read a record, from the artefact store where Redis has none or does not answer.

        Raises:
            NotFound: no such job.
            Unavailable: Redis does not answer, and the artefact store knows of no end.
        """
        try:
            record = self._living(check_id(job_id)) or self._stored(job_id)
        except Unavailable:
            record = self._stored(job_id)
            if record is None:
                raise
        if record is None:
            raise NotFound(f"no job has the id {job_id}; GET /v1/jobs lists them")
        return record

    def unfinished(self) -> list[JobRecord]:
        """Read the records of all jobs that wait or run.

        Raises:
            Unavailable: Redis does not answer.
        """
        with answering():
            ids = self._redis.sunion([scripts.key(status, kind) for status in LIVING for kind in KINDS])
        return [record for record in self._all_living(cast("set[bytes]", ids)) if not record.ended]

    def events(self, job_id: str, after: str | None = None) -> list[Event]:
        """Read a job's events after the one with the id `after`, or from the start of what is kept (about 2,000).

        An ended job's events always close with its `end` event, even where `after` is its id.

        Raises:
            NotFound: no such job.
            InvalidInput: `after` is not an event's id.
            Unavailable: Redis does not answer, and the artefact store knows of no end.
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
        """Jobs by kind and status: those that wait and run, and those ended since Redis was last empty.

        Raises:
            Unavailable: Redis does not answer.
        """
        found: dict[tuple[Kind, Status], int] = {}
        with answering():
            ended = cast("dict[bytes, bytes]", self._redis.hgetall(scripts.key("ended")))
            for kind in KINDS:
                for living in LIVING:
                    found[kind, living] = self._redis.scard(scripts.key(living, kind))
                for end in ENDS:
                    found[kind, end] = int(ended.get(f"{kind}:{end}".encode(), 0))
        return found

    def counted(self) -> dict[str, dict[tuple[str, ...], float]]:
        """What workers have done since Redis was last empty: by name, then by kind, or by kind and status.

        Raises:
            Unavailable: Redis does not answer.
        """
        with answering():
            fields = cast("dict[bytes, bytes]", self._redis.hgetall(scripts.key("counted")))
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for field, value in fields.items():
            name, *labels = field.decode().split(":")
            found.setdefault(name, {})[tuple(labels)] = float(value)
        return found

    def origin(self, job_id: str) -> dict[str, str]:
        """The `request_id` and `traceparent` that a living job, or the parent of a child, comes from.

        Raises:
            Unavailable: Redis does not answer.
        """
        names = ["request_id", "traceparent"]
        with answering():
            found = cast("Any", self._redis.hmget(scripts.key("job", parent_id(job_id) or job_id), names))
        return {name: value.decode() for name, value in zip(names, found, strict=True) if value}

    def _living(self, job_id: str) -> JobRecord | None:
        with answering():
            fields = cast("dict[bytes, bytes]", self._redis.hgetall(scripts.key("job", job_id)))
        return from_fields(fields) if fields else None

    def _all_living(self, ids: Iterable[bytes]) -> list[JobRecord]:
        """The records of `ids` that are in Redis, by id."""
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for job_id in sorted(ids):
                pipeline.hgetall(scripts.key("job", job_id.decode()))
            return [from_fields(fields) for fields in pipeline.execute() if fields]

    def _stored(self, job_id: str) -> JobRecord | None:
        try:
            return JobRecord.model_validate_json(self._artefacts.get(f"jobs/{job_id}/record.json"))
        except NotFound:
            return None

    def _ids(self) -> set[str]:
        with answering():
            living = [scripts.key(status, kind) for status in LIVING for kind in KINDS]
            found = cast("set[bytes]", self._redis.sunion([*living, scripts.key("unstored")]))
        return {job_id.decode() for job_id in found} | {name for name in self._artefacts.folders("jobs") if is_id(name)}

    def _stream(self, job_id: str, after: str | None) -> list[Event]:
        start = "-" if after is None else f"({after}"
        with answering():
            entries = cast("list[Any]", self._redis.xrange(scripts.key("events", job_id), min=start))
        return [
            Event(event_id.decode(), fields[b"type"].decode(), json.loads(fields[b"data"]))
            for event_id, fields in entries
        ]

    # Last in the class: below it, `list` would name this method in annotations.
    def list(
        self, kind: Kind | None = None, status: Status | None = None, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[JobRecord], str | None]:
        """Read records, newest first.

        Args:
            kind: only this kind.
            status: only this status.
            limit: most records, 1 to 500.
            cursor: the second value of the call before, to go on from there.

        Returns:
            The records, and the cursor of the next page or None.

        Raises:
            InvalidInput: a bad limit or cursor.
            Unavailable: Redis does not answer.
        """
        if not 1 <= limit <= 500:
            raise InvalidInput("limit must be 1 to 500", fields=[("limit", "must be 1 to 500")])
        if cursor is not None and not is_id(cursor):
            raise InvalidInput("cursor is not one that a list of jobs gave", fields=[("cursor", "unknown")])
        found: list[JobRecord] = []
        for job_id in sorted(self._ids(), reverse=True):
            if cursor is not None and job_id >= cursor:
                continue
            record = self._living(job_id) or self._stored(job_id)
            if record is None or kind not in (None, record.kind) or status not in (None, record.status):
                continue
            if len(found) == limit:
                return found, found[-1].id
            found.append(record)
        return found, None
