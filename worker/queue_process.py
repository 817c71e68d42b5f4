"""The process of one queue: RQ's worker, with a new process for each job and a lease on its record."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket

from rq import Queue, SpawnWorker
from rq.exceptions import DeserializationError
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import UnixSignalDeathPenalty

from latentaug.errors import Unavailable
from latentaug.runtime import logs
from latentaug.runtime.jobs import TASK, Attempts, answering, connect, is_id, parent_id
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.queues import SERIALIZER

PARENT = "WORKER_PID"
"""Environment variable by which a job's process knows whose child it is."""

AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Insistent(UnixSignalDeathPenalty):
    """A job's timeout that comes again each second until somebody ends the job for it.

    Libraries catch all exceptions here and there, as matplotlib does about its imports; a timeout that comes once and
    just then would be lost, and the job go on for ever.
    """

    def setup_death_penalty(self) -> None:
        """Set the alarm; RQ takes it back."""
        signal.signal(signal.SIGALRM, self.handle_death_penalty)
        signal.setitimer(signal.ITIMER_REAL, self._timeout, AGAIN_SECONDS)


class QueueWorker(SpawnWorker):
    """Holds a job's lease while its process runs, and ends that process once the lease is refused.

    The lease is kept here and not in the job's process, for a long computation there may let no other thread run.
    """

    attempts: Attempts
    death_penalty_class = Insistent
    log_result_lifespan = False
    max_connection_wait_time = 5.0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Claim the job and run it, or drop it where there is nothing to claim."""
        if not _is_ours(job) or self.attempts.claim(**job.kwargs) is None:
            _log.info("leaving %s: cancelled, taken or no task of ours", job.id)
            queue.intermediate_queue.remove(job.id)
            job.delete()
            return
        logs.job_id.set(job.kwargs["job_id"])
        _log.info("starting %s", job.description)
        super().execute_job(job, queue)
        # The process has ended. If it has not ended its job it died, or was told to stop: then the job waits again.
        record = self.attempts.requeue(*self.attempts.followed(**job.kwargs), died=not self._stop_requested)
        if record is not None:
            _log.warning("putting %s back in its queue", record.id)
            queue.enqueue_call(**self.attempts.enqueue_arguments(record))
        logs.job_id.set(None)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Start the job's process."""
        super().fork_work_horse(job, queue)
        if self._stop_requested:  # told so while it was being started
            self.kill_horse()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Renew the lease, once a second; end the process of a job that is no longer ours."""
        try:
            with answering():
                super().maintain_heartbeats(job, execution)
            ours = self.attempts.renew(*self.attempts.followed(**job.kwargs))
        except Unavailable:  # as long as Redis is away nobody else can take the job
            return
        if not ours:
            _log.warning("job %s was cancelled or taken over; ending its process", job.id)
            self.kill_horse()

    def handle_warm_shutdown_request(self) -> None:
        """End the job's process; the job goes back to its queue and on from its checkpoint."""
        if self.horse_pid:
            self.kill_horse()


def _is_ours(job: Job) -> bool:
    """Whether an RQ job names our one task and a job's id, whatever else was written into Redis."""
    try:
        match job.kwargs:
            case {"job_id": str(job_id), "attempt": int(), **rest} if not rest and not job.args:
                return job.func_name == TASK and (is_id(job_id) or parent_id(job_id) is not None)
    except DeserializationError:
        pass
    return False


def serve(queue: str, settings: Settings) -> None:
    """Serve one queue until SIGTERM or SIGINT.

    Raises:
        Unavailable: Redis does not answer.
    """
    os.environ[PARENT] = str(os.getpid())
    connection = connect(settings, socket_timeout=None)
    worker = QueueWorker(
        [queue],
        name=f"{queue}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        connection=connection,
        serializer=SERIALIZER,
        job_monitoring_interval=1,
        maintenance_interval=60,
        worker_ttl=60,
    )
    worker.attempts = Attempts(connect(settings), ArtefactStore(settings.resolved_store_url), settings)
    worker.work(logging_level="WARNING")
