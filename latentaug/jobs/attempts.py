"""What a worker does with jobs; each step names its attempt and is refused once the job is no longer its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from redis import Redis

from latentaug.artefacts import ArtefactStore
from latentaug.jobs import scripts
from latentaug.jobs.connection import answering
from latentaug.jobs.record import JobError, JobRecord, Progress, check_id
from latentaug.jobs.store import JobStore
from latentaug.settings import Settings


class Attempts(JobStore):
    """A `JobStore` for workers. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        super().__init__(redis, artefacts, settings)
        self._claim = redis.register_script(scripts.CLAIM)
        self._renew = redis.register_script(scripts.RENEW)
        self._progress = redis.register_script(scripts.PROGRESS)
        self._requeue = redis.register_script(scripts.REQUEUE)

    def claim(self, job_id: str, attempt: int) -> JobRecord | None:
        """Take a queued job, with a lease of `settings.lease_seconds`; None if it is no longer to be had."""
        progress = Progress(stage="starting").model_dump_json()
        arguments: list[str | int | float] = [
            check_id(job_id),
            attempt,
            datetime.now(UTC).isoformat(),
            self._lease_milliseconds,
            progress,
        ]
        with answering():
            taken = self._claim(args=arguments)
        return self.get(job_id) if taken else None

    def renew(self, job_id: str, attempt: int) -> bool:
        """Renew the lease; False once the job is cancelled or taken over, and so its process must go.

        A job that this attempt itself has ended is still its own: the process may be writing the last files.
        """
        with answering():
            return bool(self._renew(args=[job_id, attempt, self._lease_milliseconds]))

    def lease_alive(self, job_id: str) -> bool:
        """Whether the job's process has given a sign of life within the lease."""
        with answering():
            return bool(self._redis.exists(scripts.key("lease", job_id)))

    def progress(
        self,
        job_id: str,
        attempt: int,
        fraction: float,
        stage: str,
        eta_seconds: float | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set the progress and emit it, with `metrics` (plain finite JSON) as an event of their own.

        Returns:
            False, with nothing changed, once the job is cancelled, ended or taken over.
        """
        progress = Progress(fraction=min(max(fraction, 0.0), 1.0), stage=stage, eta_seconds=eta_seconds)
        told = "" if metrics is None else json.dumps(dict(metrics), allow_nan=False)
        with answering():
            return bool(self._progress(args=[job_id, attempt, progress.model_dump_json(), told]))

    def finish(
        self,
        job_id: str,
        attempt: int,
        status: Literal["succeeded", "failed"],
        result: dict[str, Any] | None = None,
        error: JobError | None = None,
    ) -> bool:
        """End the job; False, with nothing changed, once it is cancelled, ended or taken over."""
        return self._finish(self.get(job_id), str(attempt), status, result, error)

    def requeue(self, job_id: str, attempt: int, *, died: bool = True) -> JobRecord | None:
        """Put a running job back in its queue, as its next attempt.

        Args:
            job_id: the job.
            attempt: the attempt that lost its process.
            died: whether the process died, of which a job may have `settings.max_attempts` before it fails with the
                code `worker_died`; a worker that is told to stop does not count.

        Returns:
            The record to enqueue, or None if that attempt no longer runs or the job has now failed.
        """
        most = self._settings.max_attempts
        record = self._living(job_id)
        if record is None:
            return None
        progress = record.progress.model_copy(update={"stage": "queued again", "eta_seconds": None})
        arguments: list[str | int | float] = [
            job_id,
            attempt,
            most if died else "",
            time.time(),
            progress.model_dump_json(),
        ]
        with answering():
            outcome = self._requeue(args=arguments)
        if outcome == b"queued":
            return self.get(job_id)
        if outcome == b"spent":
            detail = f"the worker's process died {most} times in this job (out of memory?); try smaller parameters"
            self.finish(job_id, attempt, "failed", error=JobError(code="worker_died", detail=detail))
        return None

    def waiting_seconds(self, record: JobRecord) -> float:
        """Seconds since a queued job was last put in its queue."""
        with answering():
            queued_at = cast("bytes | None", self._redis.hget(scripts.key("job", record.id), "queued_at"))
        return time.time() - float(queued_at) if queued_at else 0.0

    def keep_ended(self) -> int:
        """Copy to the artefact store what ended while that could not be written; return how many."""
        with answering():
            ids = cast("set[bytes]", self._redis.smembers(scripts.key("unstored")))
        for job_id in ids:
            self._keep(job_id.decode())
        return len(ids)

    @property
    def _lease_milliseconds(self) -> int:
        return int(self._settings.lease_seconds * 1000)
