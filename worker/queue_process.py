"""The process that serves one queue: RQ's worker, with a new process for each job and a lease on its record."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pkgutil import resolve_name

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import UnixSignalDeathPenalty

from latentaug.errors import Away, Forbidden
from latentaug.runtime import logs
from latentaug.runtime.jobs import Attempts, Kind, answering, connect
from latentaug.runtime.jobs.queue import SERIALIZER, TASK, JobQueue, attempt_of
from latentaug.runtime.settings import Settings
from latentaug.runtime.stillness import Stillness
from latentaug.storage.objects import ArtefactStore
from worker.forked import Forked, Request, fork

PAUSE = 1.0
"""Seconds between two tries to put a job back while Redis is away."""
AGAIN_SECONDS = 1.0
"""Seconds after which a timeout that was swallowed is raised again."""

_log = logging.getLogger(__name__)


class Insistent(UnixSignalDeathPenalty):
    """A job's timeout that is raised again each second until the job ends.

    Some libraries catch all exceptions in places, as matplotlib does around its imports. A timeout that was raised only
    once, at such a moment, would be lost, and the job would go on for ever.
    """

    def setup_death_penalty(self) -> None:
        """Set the alarm; RQ turns it off when the job has ended."""
        signal.signal(signal.SIGALRM, self.handle_death_penalty)
        signal.setitimer(signal.ITIMER_REAL, self._timeout, AGAIN_SECONDS)


class OurJob(Job):
    """RQ's job, which does our one task and nothing else, whatever is written in Redis.

    RQ reads a job again in the process that does it, so that a check in this process alone would come too early.
    """

    def perform(self) -> None:
        """Do the attempt that the job is for.

        Raises:
            Forbidden: it is not one of ours.
        """
        attempt = attempt_of(self)
        if attempt is None:
            raise Forbidden(f"{self.id} is not one of our tasks")
        resolve_name(TASK)(*attempt)

    @property
    def success_callback(self) -> None:
        """None: we use no callbacks."""

    @property
    def failure_callback(self) -> None:
        """None, as above."""

    @property
    def stopped_callback(self) -> None:
        """None, as above."""


class QueueWorker(Worker):
    """Holds a job's lease while its process runs, and ends that process once the lease is refused.

    The lease is kept here and not in the job's process, because a long computation there may let no other thread run.
    """

    attempts: Attempts
    job_queue: JobQueue
    kind: Kind
    threads: int
    requests: socket.socket
    job_class = OurJob
    _forked: Forked | None = None
    _stillness: Stillness
    death_penalty_class = Insistent
    log_result_lifespan = False
    max_connection_wait_time = 5.0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Claim the job and run it, or drop it where there is nothing to claim."""
        attempt = attempt_of(job)
        if attempt is None or self.attempts.claim(*attempt) is None:
            told = "leaving %s: it was cancelled or taken, waits for a newer worker, or is not one of our tasks"
            _log.info(told, job.id)
            queue.intermediate_queue.remove(job.id)
            job.delete()
            return
        logs.job_id.set(attempt[0])
        _log.info("starting %s", job.description)
        died = True
        try:
            with answering():
                super().execute_job(job, queue)
        except Away as away:  # as the process began or ended, which nobody has died of
            _log.warning("ending the process of %s: %s", job.description, away)
            died = False
            self._end_horse()
        except StopRequested:  # before there was a process
            self.executions.clear()
        if self._forked is not None:
            self._forked.connection.close()
            self._forked = None
        self._put_back(*attempt, died=died and not self._stop_requested)
        logs.job_id.set(None)

    def _end_horse(self) -> None:
        """End the job's process, if there is one, and forget it."""
        if self.horse_pid:
            self.kill_horse()
            self.wait_for_horse()
            self._horse_pid = 0
        self.executions.clear()

    def _put_back(self, job_id: str, attempt: int, *, died: bool) -> None:
        """Let the job wait again, unless its process has ended it, as soon as Redis answers."""
        while True:
            try:
                record = self.attempts.requeue(*self.attempts.working_at(job_id, attempt), died=died)
                if record is not None:
                    _log.warning("putting %s back in its queue", record.id)
                    self.job_queue.enqueue([record])
            except Away:
                time.sleep(PAUSE)
            else:
                return

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Have the job's process started, with the lease renewed until it is.

        Raises:
            StopRequested: this process was told to stop before that.
        """
        assert self.execution is not None  # noqa: S101  RQ has just made it
        arguments = (queue.name, self.key, job.id, self.execution.id)
        request = Request(kind=self.kind, arguments=arguments, threads=self.threads)
        self._forked = fork(self.requests, request, partial(self._go_on_waiting, job))
        self._horse_pid = self._forked.pid
        self._stillness = Stillness()
        if self._stop_requested:  # it was asked to stop while the process was being started
            self.kill_horse()

    def wait_for_horse(self) -> tuple[int, int, None]:
        """Wait until the job's process has ended; return its id and status, as RQ does of a child of its own."""
        assert self._forked is not None  # noqa: S101  there would be no id to wait for
        return self.horse_pid, self._forked.wait(), None

    def _go_on_waiting(self, job: Job) -> None:
        """Renew the lease of a job that has no process yet; whether it was refused is looked at once it has one."""
        if self._stop_requested:
            raise StopRequested
        with suppress(Away):
            self.attempts.renew(*self.attempts.working_at(**job.kwargs))

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Renew the lease, once a second, and end the process of a job that is no longer ours, or that stands still."""
        if self._stillness.too_long(self.horse_pid):
            _log.warning("the process of %s stands still; killing it", job.id)
            self.kill_horse()
        try:
            # The lease first: RQ's own connection waits longer for a Redis that is silent, and after it comes back.
            ours = self.attempts.renew(*self.attempts.working_at(**job.kwargs))
            with answering():
                super().maintain_heartbeats(job, execution)
        except Away:  # while Redis is away nobody else can take the job
            return
        if not ours:
            _log.warning("the job of %s was cancelled or taken over; ending the process", job.id)
            self.kill_horse()

    def handle_warm_shutdown_request(self) -> None:
        """End the job's process; the job goes back to its queue, and later goes on from its checkpoint."""
        if self.horse_pid:
            self.kill_horse()


def work_of(redis: Redis, queue: str, worker: str, job_id: str, execution: str) -> Callable[[], None] | None:
    """What a job's process is to do, by RQ's names for it, and which ends the process; None if it came too late.

    Raises:
        Away: Redis does not answer.
    """
    with answering():
        horse = QueueWorker.find_by_key(worker, connection=redis, job_class=OurJob, serializer=SERIALIZER)
        if horse is None:
            return None
        job = OurJob.fetch(job_id, connection=redis, serializer=SERIALIZER)
        horse.execution = Execution.fetch(execution, job_id, connection=redis)
    horse.execution._job = job  # RQ would read it again, and unpickle it
    return partial(horse.main_work_horse, job, Queue(queue, connection=redis, job_class=OurJob, serializer=SERIALIZER))


def serve(queue: Kind, requests: socket.socket, settings: Settings) -> None:
    """Serve one queue until SIGTERM or SIGINT, with processes that the fork server starts.

    Raises:
        Unavailable: Redis does not answer.
    """
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
    redis = connect(settings)
    worker.attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
    worker.job_queue = JobQueue(redis, settings)
    worker.kind, worker.requests = queue, requests
    worker.threads = max(1, settings.threads // settings.processes(queue))
    with answering():
        worker.work(logging_level="WARNING")
