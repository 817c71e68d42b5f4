"""Whatever is killed, no job is lost, and nothing is left running. Real processes, a real Valkey."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from rq.timeouts import JobTimeoutException

from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis
from tests.waiting import within
from tests.worker.conftest import ENDLESS, WorkerProcess, alive
from worker.queue_process import Insistent

pytestmark = pytest.mark.slow

Submit = Callable[..., JobRecord]
Start = Callable[..., WorkerProcess]
SOON = 180.0
"""Seconds that a job's process may take to import torch and begin, on a busy machine."""


def trains(jobs: Attempts, job_id: str, attempt: int = 1) -> Callable[[], bool]:
    def training() -> bool:
        record = jobs.get(job_id)
        return record.attempt == attempt and record.progress.stage.startswith("epoch") and record.status == "running"

    return training


def starts(jobs: Attempts, job_id: str, attempt: int) -> Callable[[], bool]:
    return lambda: (jobs.get(job_id).status, jobs.get(job_id).attempt) == ("running", attempt)


def ended(jobs: Attempts, job_id: str) -> Callable[[], bool]:
    return lambda: jobs.get(job_id).ended


def test_a_job_is_done_and_only_its_process_and_the_fork_server_import_torch(
    jobs: Attempts, submit: Submit, start_worker: Start, artefacts: ArtefactStore, redis: Redis
) -> None:
    worker = start_worker()
    record, hopeless = submit(dataset="digits", epochs=15, patience=15, name="mine"), submit(dataset="nothing")
    assert within(SOON, trains(jobs, record.id))
    has_torch = ["libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in worker.pids()]
    assert has_torch == [False, False, True, True]
    assert within(SOON, ended(jobs, record.id))
    done = jobs.get(record.id)
    assert (done.status, done.attempt, done.error) == ("succeeded", 1, None)
    assert done.result is not None
    assert done.result["model"] == "mine"
    assert (done.progress.fraction, done.progress.stage) == (1.0, "done")
    assert models.describe(artefacts, "mine").job_id == record.id
    types = [event.type for event in jobs.events(record.id)]
    assert types.count("metrics") == 15
    assert types[-1] == "end"
    assert within(
        5, lambda: sorted(artefacts.files(f"jobs/{record.id}")) == ["curve.png", "record.json", "result.json"]
    )
    assert within(5, lambda: not redis.exists(f"rq:job:{record.id}-1"))
    assert within(SOON, ended(jobs, hopeless.id))
    failed = jobs.get(hopeless.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "not_found")


def test_a_cancelled_job_stops_within_seconds_and_the_next_one_runs(
    jobs: Attempts, submit: Submit, start_worker: Start, queue: JobQueue
) -> None:
    worker = start_worker()
    by_lease, by_command, waiting, last = (submit(**ENDLESS) for _ in range(4))
    jobs.cancel(waiting.id)
    assert within(SOON, trains(jobs, by_lease.id))
    process = worker.job_pid
    jobs.cancel(by_lease.id)
    assert within(3, lambda: not alive(process))
    assert within(SOON, trains(jobs, by_command.id))
    process = worker.job_pid
    jobs.cancel(by_command.id)
    queue.stop(by_command)
    assert within(3, lambda: not alive(process))
    assert within(SOON, starts(jobs, last.id, attempt=1))
    assert [jobs.get(job.id).status for job in (by_lease, by_command, waiting)] == ["cancelled"] * 3
    assert [jobs.get(job.id).attempt for job in (by_lease, by_command, waiting)] == [1] * 3
    assert jobs.get(waiting.id).started_at is None


def test_a_job_goes_on_whichever_process_is_killed_until_it_has_died_too_often(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker(LATENTAUG_MAX_ATTEMPTS="3")
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    os.kill(worker.job_pid, signal.SIGKILL)
    assert within(3, starts(jobs, record.id, attempt=2))
    _, queue_process, _, job_process = worker.pids()
    os.kill(queue_process, signal.SIGKILL)
    assert within(3 + 9, starts(jobs, record.id, attempt=3)), "the lease has run out and the reconciler has seen it"
    assert within(10, lambda: not alive(job_process))
    os.kill(worker.job_pid, signal.SIGKILL)
    assert within(3, ended(jobs, record.id))
    failed = jobs.get(record.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "worker_died")


def test_a_supervisor_killed_or_told_to_stop_leaves_nothing_but_its_job_in_the_queue(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    killed = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    pids = killed.pids()
    os.kill(killed.pid, signal.SIGKILL)
    killed.process.wait()
    assert within(5, lambda: not any(alive(pid) for pid in pids))
    stopped = start_worker()
    assert within(3 + 9, starts(jobs, record.id, attempt=2))
    pids, told = stopped.pids(), time.monotonic()
    stopped.stop()
    assert time.monotonic() - told < 5
    assert stopped.process.returncode == 0
    assert not any(alive(pid) for pid in pids)
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("queued", 3)


def test_a_job_over_its_time_fails(jobs: Attempts, start_worker: Start, redis: Redis, settings: Settings) -> None:
    start_worker()
    record, _ = jobs.create("train", ENDLESS)
    JobQueue(redis, settings.model_copy(update={"job_timeout": 12})).enqueue([record])
    assert within(SOON, ended(jobs, record.id))
    failed = jobs.get(record.id)
    assert failed.error is not None
    assert failed.error.code == "timeout"


def test_a_running_job_outlives_a_restart_of_redis_but_not_its_emptying(
    jobs: Attempts, submit: Submit, start_worker: Start, server: EmbeddedRedis, redis: Redis
) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    process = worker.job_pid
    server.stop()
    time.sleep(1.5)
    server.start()
    assert within(5, lambda: jobs.lease_alive(record.id))
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("running", 1)
    assert alive(process)
    redis.flushall()
    assert within(4, lambda: not alive(process))


def test_a_timeout_that_a_library_swallows_comes_again() -> None:
    def swallow_one() -> None:
        with Insistent(1, JobTimeoutException):
            with suppress(Exception):
                time.sleep(30)
            time.sleep(30)

    with pytest.raises(JobTimeoutException):
        swallow_one()
    time.sleep(1.2)  # no third one comes: the alarm has been taken back
