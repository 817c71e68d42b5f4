"""The queues that jobs and sub-jobs wait in: the one module that knows RQ.

Only a job's record says how the job stands; RQ is told what to run, and what to stop. Nothing is lost if RQ misses
something: the reconciler puts a job that waits in no queue back into one, and a process whose lease is refused ends.

The only other module that imports RQ is `worker.queue_process`, whose class is a subclass of RQ's worker.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from redis import Redis
from rq import Queue, Worker
from rq.command import send_stop_job_command
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.queue import EnqueueData
from rq.registry import clean_registries
from rq.timeouts import JobTimeoutException

from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.record import KINDS, JobRecord, Kind, is_id, parent_id
from latentaug.runtime.settings import Settings

TASK = "worker.tasks.run"
"""The one function that workers run."""
SERIALIZER = "json"  # RQ's default would unpickle whatever lies in Redis
FAILURE_SECONDS = 3600
"""How long RQ remembers an attempt whose process died."""

TimedOut = JobTimeoutException
"""Raised in a job's process once it has run for longer than `settings.job_timeout`."""

_RQ_ID = re.compile(r"([0-9a-z_-]+)-([0-9]{1,9})")


class JobQueue:
    """One RQ queue for each kind of job. All methods raise `Unavailable` while Redis does not answer."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._timeout = max(1, int(settings.job_timeout))
        self._queues = {kind: Queue(kind, connection=redis, serializer=SERIALIZER) for kind in KINDS}

    def enqueue(self, records: Sequence[JobRecord]) -> None:
        """Put the attempts that `records` describe into their queues, those of one kind in one round trip."""
        with answering():
            for kind, queue in self._queues.items():
                entries = [self._entry(record) for record in records if record.kind == kind]
                if entries:
                    queue.enqueue_many(entries)

    def stop(self, record: JobRecord) -> None:
        """Have the process that was started for this attempt killed, if there is one."""
        with answering():
            try:
                send_stop_job_command(self._redis, _rq_id(record), serializer=SERIALIZER)
            except (NoSuchJobError, InvalidJobOperation):
                return  # it waits, or has stopped already

    def waiting(self) -> set[tuple[str, int]]:
        """Read the ids and attempts that are in the queues."""
        with answering():
            found = [_RQ_ID.fullmatch(rq_id) for queue in self._queues.values() for rq_id in queue.job_ids]
        return {(match[1], int(match[2])) for match in found if match}

    def depths(self) -> dict[Kind, int]:
        """Count the jobs and sub-jobs in each queue."""
        with answering():
            return {kind: queue.count for kind, queue in self._queues.items()}

    def workers(self, host: str | None = None) -> dict[Kind, int]:
        """Count the live processes that serve each queue.

        A process renews its registration at least each minute; it expires within two minutes of its death.

        Args:
            host: count only those on the host of that name.
        """
        with answering():
            found = Worker.all(connection=self._redis, serializer=SERIALIZER)
        names = Counter(name for worker in found if host in (None, worker.hostname) for name in worker.queue_names())
        return {kind: names[kind] for kind in KINDS}

    def clean(self) -> None:
        """Have RQ forget what its dead workers held."""
        with answering():
            for queue in self._queues.values():
                clean_registries(queue)

    def _entry(self, record: JobRecord) -> EnqueueData:
        return Queue.prepare_data(
            TASK,
            kwargs={"job_id": record.id, "attempt": record.attempt},
            job_id=_rq_id(record),
            timeout=self._timeout,
            result_ttl=0,
            failure_ttl=FAILURE_SECONDS,
            description=f"{record.kind} {record.id}, attempt {record.attempt}",
        )


def attempt_of(job: Job) -> tuple[str, int] | None:
    """Return the id and the attempt that an RQ job is for; None if it is not one of ours, whatever Redis holds."""
    try:
        match job.kwargs:
            case {"job_id": str(job_id), "attempt": int(attempt), **rest} if not rest and not job.args:
                if job.func_name == TASK and job.instance is None and (is_id(job_id) or parent_id(job_id) is not None):
                    return job_id, attempt
    except DeserializationError:
        pass
    return None


def _rq_id(record: JobRecord) -> str:
    """RQ's id for a record's attempt."""
    return f"{record.id}-{record.attempt}"
