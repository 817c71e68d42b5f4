"""What a worker does with jobs; each step names its attempt and is refused once the job is no longer its own."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, cast

from redis import Redis

from latentaug.errors import Away, Damaged, LatentaugError, Newer, NotStored
from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.params import understood
from latentaug.runtime.jobs.record import LIVING, JobError, JobRecord, Json, Kind, Progress, Status, parent_id
from latentaug.runtime.jobs.store import JobStore, as_json
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

KEEPING_SECONDS = 5.0
"""How long `Attempts.keep_ended` goes on."""

_log = logging.getLogger(__name__)


class Attempts(JobStore):
    """A `JobStore` for workers. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        super().__init__(redis, artefacts, settings)
        self._claim = scripts.load(redis, "claim")
        self._renew = scripts.load(redis, "renew")
        self._progress = scripts.load(redis, "progress")
        self._requeue = scripts.load(redis, "requeue")
        self._fan_out = scripts.load(redis, "fan_out")
        self._follow = scripts.load(redis, "follow")
        self._end_sub_job = scripts.load(redis, "end_sub_job")

    def claim(self, job_id: str, attempt: int) -> JobRecord | None:
        """Take a queued job or sub-job, with a lease of `settings.lease_seconds`.

        Returns:
            The record; None if it no longer waits, or waits for a newer worker: a newer service has made it, in a
            format or with an option or a choice that is not known here.
        """
        if not self._understood(parent_id(job_id) or job_id):
            return None
        with answering():
            taken = self._claim(args=[job_id, attempt, _now(), self._lease_milliseconds])
        return self.held(job_id, attempt) if taken else None

    def _understood(self, job_id: str) -> bool:
        """Whether this release knows what a job is to do."""
        try:
            record = self._living(job_id)
        except (Newer, Damaged) as error:
            _log.warning("%s", error)
            return False
        return record is not None and understood(record.kind, record.params)

    def held(self, job_id: str, attempt: int) -> JobRecord | None:
        """Read the record of a job or sub-job if that attempt runs; None otherwise."""
        record = self._living(job_id)
        return record if record is not None and (record.status, record.attempt) == ("running", attempt) else None

    def follow(self, started: JobRecord, last: JobRecord, *, sub_jobs: bool) -> JobRecord | None:
        """Claim more of the same job for a process that has done its part: the job itself once no sub-job is left.

        Args:
            started: what the process was started for; `working_at` finds by it what the process works at.
            last: what it did last.
            sub_jobs: whether to take a sub-job if one waits, the first by name.

        Returns:
            The claimed record, or None where nothing of this job waits.
        """
        whole = last.parent or last.id
        with answering():
            claimed = self._follow(
                args=[started.id, started.attempt, whole, _now(), self._lease_milliseconds, int(sub_jobs)]
            )
        return self.held(claimed[0].decode(), int(claimed[1])) if claimed else None

    def working_at(self, job_id: str, attempt: int) -> tuple[str, int]:
        """Return what a process works at now, as an id and an attempt, given what it was started for."""
        with answering():
            found = cast(
                "bytes | None",
                self._redis.hget(key("processes", parent_id(job_id) or job_id), f"{job_id} {attempt}"),
            )
        if found is None:
            return job_id, attempt
        now_at, its_attempt = found.decode().split()
        return now_at, int(its_attempt)

    def fan_out(
        self, job_id: str, attempt: int, sub_jobs: Mapping[str, Json], low: float, high: float
    ) -> list[JobRecord]:
        """Split a running job into sub-jobs, all at once; the end of the last one puts the job back in its queue.

        Args:
            job_id: the job.
            attempt: the attempt that runs.
            sub_jobs: parameters, plain JSON, by name: lower-case letters, digits and "-", new in this job.
            low: the job's progress now.
            high: its progress once all have ended.

        Returns:
            The sub-jobs to enqueue; none where the attempt has lost the job.
        """
        arguments: list[str | int | float] = [job_id, attempt, _now(), time.time(), low, high]
        for name, params in sub_jobs.items():
            arguments += [name, json.dumps(params)]
        with answering():
            if not self._fan_out(args=arguments):
                return []
        return self.sub_jobs(job_id, "queued")

    def sub_jobs(self, job_id: str, *statuses: Status) -> list[JobRecord]:
        """Read the records of an unfinished job's sub-jobs that have one of `statuses`, by id."""
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for status in statuses:
                pipeline.zrange(key("sub-jobs", job_id, status), 0, -1)
            ids = sorted({sub_job.decode() for found in pipeline.execute() for sub_job in found})
        return self._living_records(ids)

    def unfinished_with_sub_jobs(self) -> list[JobRecord]:
        """Read the records of all jobs and sub-jobs that wait or run."""
        records = self.unfinished()
        return records + [
            sub_job for record in records if record.fanned_out for sub_job in self.sub_jobs(record.id, *LIVING)
        ]

    def renew(self, job_id: str, attempt: int) -> bool:
        """Renew the lease; False once the job is cancelled or taken over, so that its process must end.

        A job that this attempt itself has ended is still its own, because the process may be writing the last files.
        """
        with answering():
            return bool(self._renew(args=[job_id, attempt, self._lease_milliseconds]))

    def lease_alive(self, job_id: str) -> bool:
        """Return whether the job's process has given a sign of life within the lease.

        Redis holds leases against its wall clock. If that is set back, one that is not renewed would go on by as much.
        """
        with answering():
            left = self._redis.pttl(key("lease", job_id))
            if left > self._lease_milliseconds:
                self._redis.pexpire(key("lease", job_id), self._lease_milliseconds)
        return left > 0

    def progress(
        self,
        job_id: str,
        attempt: int,
        fraction: float,
        stage: str,
        eta_seconds: float | None = None,
        metrics: Json | None = None,
    ) -> bool:
        """Set the progress and emit it, and emit `metrics` (plain finite JSON) as an event of their own.

        For a sub-job this moves the progress of its job and emits it there; the time left is then that of the job.

        Returns:
            False, with nothing changed, once the job is cancelled, ended or taken over.
        """
        told = "" if metrics is None else json.dumps(metrics, allow_nan=False)
        progress = Progress(fraction=min(max(fraction, 0.0), 1.0), stage=stage, eta_seconds=eta_seconds)
        left = "" if eta_seconds is None else eta_seconds
        with answering():
            return bool(self._progress(args=[job_id, attempt, progress.fraction, stage, left, told, time.time()]))

    def count(self, kind: Kind | None, **done: float) -> None:
        """Add to what all workers have done: epochs, cells and the like by kind of job, other things without one."""
        with answering():
            pipeline = self._redis.pipeline(transaction=False)
            for name, number in done.items():
                pipeline.hincrbyfloat(key("counted"), name if kind is None else f"{name}:{kind}", number)
            pipeline.execute()

    def finish(
        self,
        job_id: str,
        attempt: int,
        status: Literal["succeeded", "failed"],
        result: Json | None = None,
        error: JobError | None = None,
    ) -> bool:
        """End the job or sub-job; False, with nothing changed, once it is cancelled, ended or taken over."""
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
            return bool(self._end_sub_job(args=arguments) == b"done")

    def requeue(self, job_id: str, attempt: int, *, died: bool = True) -> JobRecord | None:
        """Put a running job or sub-job back in its queue, as its next attempt.

        Args:
            job_id: the job.
            attempt: the attempt that lost its process.
            died: whether the process died. After `settings.max_attempts` deaths the job fails with the code
                `worker_died`; that a worker was told to stop does not count as a death.

        Returns:
            The record to enqueue: that of the job or sub-job or, where its last sub-job has now failed, that of the
            job. None if that attempt no longer runs or the job has now failed.
        """
        most = self._settings.max_attempts
        with answering():
            outcome = self._requeue(args=[job_id, attempt, most if died else "", time.time()])
        if outcome == b"spent":
            detail = f"the worker's process died {most} times in this job (out of memory?); try smaller parameters"
            self.finish(job_id, attempt, "failed", error=JobError(code="worker_died", detail=detail))
            job_id = parent_id(job_id) or job_id
        elif outcome != b"queued":
            self._drop_kept(parent_id(job_id) or job_id)
            return None
        waiting = self._living(job_id)
        return waiting if waiting is not None and waiting.status == "queued" else None

    def _drop_kept(self, job_id: str) -> None:
        """Drop what the process of a job that was cancelled may have kept just afterwards."""
        record = self._living(job_id)
        if record is None or record.status != "cancelled":
            return
        try:
            self._artefacts.delete_folder(f"jobs/{job_id}/kept")
        except (NotStored, Away) as error:
            _log.warning("what job %s had kept could not be deleted: %s", job_id, error)

    def waiting_seconds(self, record: JobRecord) -> float:
        """Return the seconds since a queued job was last put in its queue; infinite if the clock was set back since."""
        with answering():
            queued_at = cast("bytes | None", self._redis.hget(key("job", record.id), "queued_at"))
        waited = time.time() - float(queued_at) if queued_at else 0.0
        return waited if waited >= 0 else math.inf

    def keep_ended(self) -> int:
        """Copy to the artefact store the jobs that ended while it could not be written; return how many.

        Those that still cannot be written stay in Redis, and are tried again the next time; one of them holds up none
        of the others, and a store that is away holds up the caller for little more than `KEEPING_SECONDS`.
        """
        with answering():
            ids = sorted(cast("set[bytes]", self._redis.smembers(key("unstored"))))
        kept, end = 0, time.monotonic() + KEEPING_SECONDS
        for job_id in ids:
            try:
                self._keep(job_id.decode())
                kept += 1
            except LatentaugError as error:
                _log.warning("the record of job %s still cannot be written: %s", job_id.decode(), error)
            if time.monotonic() > end:
                break
        return kept

    @property
    def _lease_milliseconds(self) -> int:
        return int(self._settings.lease_seconds * 1000)


def _now() -> str:
    return datetime.now(UTC).isoformat()
