"""What callers do with jobs besides reading them: create, cancel and delete them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from redis import Redis

from latentaug.errors import Conflict, InvalidInput, LatentaugError, NotStored, TooManyRequests, Unavailable
from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.ledger import Ledger
from latentaug.runtime.jobs.reader import JobReader
from latentaug.runtime.jobs.record import (
    JobError,
    JobRecord,
    Json,
    Kind,
    Status,
    end_event_data,
    in_words,
    new_id,
    to_fields,
)
from latentaug.runtime.settings import Settings
from latentaug.storage import formats, tenants
from latentaug.storage.objects import ArtefactStore

KEPT_SECONDS = 24 * 3600
"""How long idempotency keys, and the events and records of ended jobs, stay in Redis."""

DELETING_SECONDS = 60
"""How long a data set or model is kept from new jobs if the process that deletes it dies."""

_log = logging.getLogger(__name__)


class JobStore(JobReader):
    """Creates, reads and cancels jobs.

    Attributes:
        ledger: who has how much in the artefact store.
    """

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        super().__init__(redis, artefacts)
        self._settings = settings
        self.ledger = Ledger(redis)
        self._create = scripts.load(redis, "create")
        self._end = scripts.load(redis, "end_job")

    def create(
        self,
        kind: Kind,
        params: Mapping[str, Any],
        *,
        owner: str = "",
        tenant: str | None = None,
        idempotency_key: str | None = None,
        reserve: str | None = None,
        origin: Mapping[str, str] | None = None,
    ) -> tuple[JobRecord, bool]:
        """Create a queued job. The caller must then put its record into its queue.

        Args:
            kind: what to do.
            params: validated parameters, plain JSON.
            owner: whose key it was asked for with, and whose idempotency key.
            tenant: whose job it is, with their data sets and models; None for nobody's.
            idempotency_key: the same owner, key and request within 24 hours give the same job.
            reserve: a name that only one unfinished job of a tenant may hold.
            origin: the `request_id` and `traceparent` of the request, where there are any; callers do not see them.

        Returns:
            The record, and whether it was created now.

        Raises:
            TooManyRequests: `settings.max_queued_jobs` of this kind wait, or `settings.max_jobs_per_key` of this owner
                wait or run.
            Conflict: the key was used for another request, the name is held, or what it uses is being deleted.
            InvalidInput: the key is empty or has more than 255 characters.
            Unavailable: Redis does not answer.
        """
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= 255:
            raise InvalidInput("Idempotency-Key must have 1 to 255 characters")
        job_id, created_at = new_id()
        record = JobRecord(
            id=job_id, kind=kind, status="queued", created_at=created_at, params=dict(params), tenant=tenant
        )
        whose = [owner] if tenant is None else [tenant, owner]
        request = "" if idempotency_key is None else _digest([*whose, idempotency_key])
        digest = _digest([kind, record.params])
        arguments: list[str | int | float] = [
            job_id,
            kind,
            self._settings.max_queued_jobs,
            request,
            digest,
            KEPT_SECONDS,
            tenants.qualified(tenant, reserve) if reserve else "",
            owner,
            self._settings.max_jobs_per_key or "",
            len(record.uses),
            *sorted(record.uses),
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
        raise self._refusal(outcome, kind, reserve, other)

    def _refusal(self, outcome: str, kind: Kind, reserve: str | None, other: str) -> LatentaugError:
        """Why no job was created: what the script answers, and what it names."""
        match outcome:
            case "other_request":
                return Conflict(f"this Idempotency-Key was used for another request, job {other}; use a new key")
            case "reserved":
                return Conflict(f"{reserve!r} is being made by job {other}; choose another name or wait for it")
            case "deleting":
                return Conflict(f"{in_words(other)} is being deleted; choose another one, or make it again first")
            case "enough":
                most = self._settings.max_jobs_per_key
                detail = f"{most} jobs of your key wait or run already; wait for one of them or cancel it"
            case _:
                detail = f"{self._settings.max_queued_jobs} {kind} jobs are waiting already; try again later"
        return TooManyRequests(detail, retry_after=10)

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

    @contextmanager
    def deleting(self, path: str) -> Iterator[list[str]]:
        """Keep new jobs from using a data set or model while it is deleted.

        Args:
            path: where it is in the store, such as `datasets/mine`.

        Yields:
            The ids of the unfinished jobs that use it; it must stay if there are any.

        Raises:
            Conflict: it is being deleted already.
            Unavailable: Redis does not answer.
        """
        with answering():
            if not self._redis.set(key("deleting", path), 1, nx=True, ex=DELETING_SECONDS):
                raise Conflict(f"{in_words(path)} is being deleted already")
        try:
            yield [record.id for record in self.unfinished() if path in record.uses]
        finally:
            with answering():
                self._redis.delete(key("deleting", path))

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
            self._artefacts.put(f"jobs/{job_id}/record.json", formats.write(record))
            self._artefacts.delete_folder(f"jobs/{job_id}/kept")
            self._account(record)
        with answering():
            self._redis.expire(key("job", job_id), KEPT_SECONDS)
            self._redis.srem(key("unstored"), job_id)

    def _account(self, record: JobRecord) -> None:
        """Enter what an ended job has made into the ledger of its owner."""
        with answering():
            owner = cast("bytes | None", self._redis.hget(key("job", record.id), "owner"))
        if owner is None:
            return
        for path in (f"jobs/{record.id}", *(record.makes if record.status == "succeeded" else [])):
            size = sum(entry.size for entry in self._artefacts.entries(path))
            self.ledger.enter(path, owner.decode(), size)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def as_json(value: Json | JobError | None) -> str:
    """Return a result or error as Redis holds it; None becomes ""."""
    if value is None:
        return ""
    return value.model_dump_json() if isinstance(value, JobError) else json.dumps(value, allow_nan=False)
