"""What a worker does with jobs; each step names its attempt and is refused once the job is no longer its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.record import LIVING, JobError, JobRecord, Kind, Progress, Status, parent_id
from latentaug.runtime.jobs.store import JobStore, as_json
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore


class Attempts(JobStore):
    """A `JobStore` for workers. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        super().__init__(redis, artefacts, settings)
        self._claim = redis.register_script(scripts.CLAIM)
        self._renew = redis.register_script(scripts.RENEW)
        self._progress = redis.register_script(scripts.PROGRESS)
        self._requeue = redis.register_script(scripts.REQUEUE)
        self._fan_out = redis.register_script(scripts.FAN_OUT)
        self._follow = redis.register_script(scripts.FOLLOW)
        self._end_child = redis.register_script(scripts.END_CHILD)

    def claim(self, job_id: str, attempt: int) -> JobRecord | None:
        """Take a queued job, with a lease of `settings.lease_seconds`; None if it is no longer to be had."""
        with answering():
            taken = self._claim(args=[job_id, attempt, _now(), self._lease_milliseconds])
        return self.held(job_id, attempt) if taken else None

    def held(self, job_id: str, attempt: int) -> JobRecord | None:
        """The record of a job or child while that attempt runs, else None."""
        record = self._living(job_id)
        return record if record is not None and (record.status, record.attempt) == ("running", attempt) else None

    def follow(self, started: JobRecord, last: JobRecord, *, siblings: bool) -> JobRecord | None:
        """Claim more of the same job for a process that is through: the job itself once all its children have ended.

        Args:
            started: what the process was started for; `followed` tells from it where the process is.
            last: what it did last.
            siblings: whether to take a child that waits, too: the first by name.

        Returns:
            The claimed record, or None where nothing of this job waits.
        """
        remembered = 2 * int(self._settings.job_timeout)
        whole = last.parent or last.id
        with answering():
            claimed = self._follow(
                args=[started.id, started.attempt, whole, _now(), self._lease_milliseconds, remembered, int(siblings)]
            )
        return self.held(claimed[0].decode(), int(claimed[1])) if claimed else None

    def followed(self, job_id: str, attempt: int) -> tuple[str, int]:
        """What the process that was started for this attempt works at now: an id and its attempt."""
        with answering():
            found = cast("bytes | None", self._redis.get(scripts.key("follows", job_id, str(attempt))))
        if found is None:
            return job_id, attempt
        now_at, its_attempt = found.decode().split()
        return now_at, int(its_attempt)

    def fan_out(
        self, job_id: str, attempt: int, children: Mapping[str, Mapping[str, Any]], low: float, high: float
    ) -> list[JobRecord]:
        """Split a running job into children, all at once; the end of the last one puts the job back in its queue.

        Args:
            job_id: the job.
            attempt: the attempt that runs.
            children: parameters, plain JSON, by name: lower-case letters, digits and "-", new in this job.
            low: the job's progress now.
            high: its progress once all have ended.

        Returns:
            The children to enqueue; none where the attempt has lost the job.
        """
        arguments: list[str | int | float] = [job_id, attempt, _now(), time.time(), low, high]
        for name, params in children.items():
            arguments += [name, json.dumps(dict(params))]
        with answering():
            if not self._fan_out(args=arguments):
                return []
        return self.children(job_id, "queued")

    def children(self, job_id: str, *statuses: Status) -> list[JobRecord]:
        """The children of an unfinished job that have one of `statuses`, by id."""
        with answering():
            ids = self._redis.sunion([scripts.key("children", job_id, status) for status in statuses])
        return self._all_living(cast("set[bytes]", ids))

    def unfinished_with_children(self) -> list[JobRecord]:
        """Read the records of all jobs and children that wait or run."""
        records = self.unfinished()
        return records + [
            child for record in records if record.fanned_out for child in self.children(record.id, *LIVING)
        ]

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

        A child moves its parent's progress by its own share, and emits there; the time left is then that of the whole.

        Returns:
            False, with nothing changed, once the job is cancelled, ended or taken over.
        """
        told = "" if metrics is None else json.dumps(dict(metrics), allow_nan=False)
        progress = Progress(fraction=min(max(fraction, 0.0), 1.0), stage=stage, eta_seconds=eta_seconds)
        left = "" if eta_seconds is None else eta_seconds
        with answering():
            return bool(self._progress(args=[job_id, attempt, progress.fraction, stage, left, told, time.time()]))

    def count(self, kind: Kind, **done: float) -> None:
        """Add to what all workers have done, by kind: epochs, cells and the like."""
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for name, number in done.items():
                pipeline.hincrbyfloat(scripts.key("counted"), f"{name}:{kind}", number)
            pipeline.execute()

    def finish(
        self,
        job_id: str,
        attempt: int,
        status: Literal["succeeded", "failed"],
        result: dict[str, Any] | None = None,
        error: JobError | None = None,
    ) -> bool:
        """End the job or child; False, with nothing changed, once it is cancelled, ended or taken over."""
        if parent_id(job_id) is None:
            return self._finish(self.get(job_id), str(attempt), status, result, error)
        arguments: list[str | int | float] = [
            job_id,
            attempt,
            status,
            _now(),
            time.time(),
            as_json(result),
            as_json(error),
        ]
        with answering():
            return bool(self._end_child(args=arguments) == b"done")

    def requeue(self, job_id: str, attempt: int, *, died: bool = True) -> JobRecord | None:
        """Put a running job back in its queue, as its next attempt.

        Args:
            job_id: the job.
            attempt: the attempt that lost its process.
            died: whether the process died, of which a job may have `settings.max_attempts` before it fails with the
                code `worker_died`; a worker that is told to stop does not count.

        Returns:
            The record to enqueue: of the job or, where this failed its last child, of the parent. None if that attempt
            no longer runs or the job has now failed.
        """
        most = self._settings.max_attempts
        with answering():
            outcome = self._requeue(args=[job_id, attempt, most if died else "", time.time()])
        if outcome == b"spent":
            detail = f"the worker's process died {most} times in this job (out of memory?); try smaller parameters"
            self.finish(job_id, attempt, "failed", error=JobError(code="worker_died", detail=detail))
            job_id = parent_id(job_id) or job_id
        elif outcome != b"queued":
            return None
        waiting = self._living(job_id)
        return waiting if waiting is not None and waiting.status == "queued" else None

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


def _now() -> str:
    return datetime.now(UTC).isoformat()
