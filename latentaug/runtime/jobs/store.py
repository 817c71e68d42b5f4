"""What callers do with jobs besides reading them: create, cancel and delete them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from latentaug.errors import Conflict, InvalidInput, NotStored, TooManyRequests, Unavailable
from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.reader import JobReader
from latentaug.runtime.jobs.record import JobError, JobRecord, Json, Kind, Status, end_event_data, new_id, to_fields
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

KEPT_SECONDS = 24 * 3600
"""How long idempotency keys, and the events and records of ended jobs, stay in Redis."""

_log = logging.getLogger(__name__)


class JobStore(JobReader):
    """Creates, reads, cancels and deletes jobs."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        super().__init__(redis, artefacts)
        self._settings = settings
        self._create = scripts.load(redis, "create")
        self._end = scripts.load(redis, "end_job")

    def create(
        self,
        kind: Kind,
        params: Mapping[str, Any],
        *,
        owner: str = "",
        idempotency_key: str | None = None,
        reserve: str | None = None,
        origin: Mapping[str, str] | None = None,
    ) -> tuple[JobRecord, bool]:
        """Create a queued job. The caller must then put its record into its queue.

        Args:
            kind: what to do.
            params: validated parameters, plain JSON.
            owner: whose idempotency key it is.
            idempotency_key: the same owner, key and request within 24 hours give the same job.
            reserve: a name that only one unfinished job may hold.
            origin: the `request_id` and `traceparent` of the request, where there are any; callers do not see them.

        Returns:
            The record, and whether it was created now.

        Raises:
            TooManyRequests: `settings.max_queued_jobs` of this kind wait already.
            Conflict: the key was used for another request, or the name is held.
            InvalidInput: the key is empty or has more than 255 characters.
            Unavailable: Redis does not answer.
        """
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= 255:
            raise InvalidInput("Idempotency-Key must have 1 to 255 characters")
        job_id, created_at = new_id()
        record = JobRecord(id=job_id, kind=kind, status="queued", created_at=created_at, params=dict(params))
        request = "" if idempotency_key is None else _digest([owner, idempotency_key])
        digest = _digest([kind, record.params])
        most = self._settings.max_queued_jobs
        arguments: list[str | int | float] = [
            job_id,
            kind,
            most,
            request,
            digest,
            KEPT_SECONDS,
            reserve or "",
            *to_fields(record),
            *(text for field in (origin or {}).items() for text in field),
        ]
        with answering():
            outcome, other = (part.decode() for part in self._create(args=arguments))
        match outcome:
            case "created":
                return record, True
            case "earlier":
                return self.get(other), False
            case "other_request":
                raise Conflict(f"this Idempotency-Key was used for another request, job {other}; use a new key")
            case "reserved":
                raise Conflict(f"{reserve!r} is being made by job {other}; choose another name or wait for it")
            case _:
                raise TooManyRequests(f"{most} {kind} jobs are waiting already; try again later", retry_after=10)

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job; one that is running loses its lease and stops, and so do all its sub-jobs.

        Cancelling a job again changes nothing.

        Raises:
            NotFound: there is no such job.
            Conflict: it has ended in another way.
            Unavailable: Redis does not answer.
        """
        record = self.get(job_id)
        if not record.ended:
            self._finish(record, "", "cancelled", None, None)
            record = self.get(job_id)
        if record.status != "cancelled":
            raise Conflict(f"the job has {record.status} already; it cannot be cancelled")
        return record

    def delete(self, job_id: str) -> None:
        """Delete the record and the files of a job that has ended. A model that it trained stays.

        Raises:
            NotFound: there is no such job.
            Conflict: it has not ended, or an unfinished job names it in `beside`.
            Unavailable: Redis does not answer.
        """
        if not self.get(job_id).ended:
            raise Conflict("the job has not ended; cancel it first, or wait for it")
        needing = [other.id for other in self.unfinished() if job_id in beside(other)]
        if needing:
            raise Conflict(f"job {needing[0]} will show this result beside its own; wait for it or cancel it first")
        self._delete(job_id)

    def _delete(self, job_id: str) -> None:
        """Delete an ended job: its record first, and its place in the index last, so that a failure is tried again."""
        with answering():
            self._redis.delete(key("job", job_id), key("events", job_id))
        self._artefacts.delete(f"jobs/{job_id}/record.json")
        self._artefacts.delete_folder(f"jobs/{job_id}")
        self._index.drop(job_id)

    def _finish(
        self, record: JobRecord, attempt: str, status: Status, result: Json | None, error: JobError | None
    ) -> bool:
        """End a job that `attempt` ('' for any) still holds: in Redis, which decides, then in the artefact store."""
        now = datetime.now(UTC)
        ended = record.model_copy(update={"status": status, "ended_at": now, "result": result, "error": error})
        event = json.dumps(end_event_data(ended))
        arguments: list[str | int | float] = [
            record.id,
            attempt,
            status,
            now.isoformat(),
            now.timestamp(),
            as_json(result),
            as_json(error),
            event,
            KEPT_SECONDS,
            0.0 if record.started_at is None else (now - record.started_at).total_seconds(),
            "" if record.params.get("webhook") is None else "1",
        ]
        with answering():
            if self._end(args=arguments) != b"done":
                return False
        try:
            self._keep(record.id)
        except (NotStored, Unavailable) as error:  # decided in any case; `Attempts.keep_ended` will try again
            _log.warning("the record of job %s could not be written to the artefact store: %s", record.id, error)
        return True

    def _keep(self, job_id: str) -> None:
        """Copy an ended job's record to the artefact store and drop what was kept for a later attempt."""
        record = self._living(job_id)
        if record is not None:
            self._artefacts.put(f"jobs/{job_id}/record.json", record.model_dump_json(indent=1).encode())
            self._artefacts.delete_folder(f"jobs/{job_id}/kept")
        with answering():
            self._redis.expire(key("job", job_id), KEPT_SECONDS)
            self._redis.srem(key("unstored"), job_id)


def beside(record: JobRecord) -> list[str]:
    """The ids of the jobs whose results are shown beside a job's own."""
    named = record.params.get("beside")
    return [str(job_id) for job_id in named] if isinstance(named, list) else []


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def as_json(value: Json | JobError | None) -> str:
    """Return a result or error as Redis holds it; None becomes ""."""
    if value is None:
        return ""
    return value.model_dump_json() if isinstance(value, JobError) else json.dumps(value, allow_nan=False)
