"""Whatever is killed, no job is lost, and nothing is left running. Real processes, a real Valkey."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.command import send_stop_job_command

from latentaug import models
from latentaug.artefacts import ArtefactStore
from latentaug.jobs import Attempts, JobRecord, rq_job_id
from service.embedded_redis import EmbeddedRedis
from tests.worker.conftest import ENDLESS, WorkerProcess, alive, within

Submit = Callable[..., JobRecord]
Start = Callable[..., WorkerProcess]
SOON = 60.0
"""Seconds that a job's process may take to import torch and begin, on a busy machine."""


def trains(jobs: Attempts, job_id: str, attempt: int = 1) -> Callable[[], bool]:
    def training() -> bool:
        record = jobs.get(job_id)
        return record.attempt == attempt and record.progress.stage.startswith("epoch") and record.status == "running"

    return training


def ended(jobs: Attempts, job_id: str) -> Callable[[], bool]:
    return lambda: jobs.get(job_id).ended


def test_a_job_is_done_and_only_its_own_process_imports_torch(
    jobs: Attempts, submit: Submit, start_worker: Start, artefacts: ArtefactStore, redis: Redis
) -> None:
    worker = start_worker()
    record = submit(dataset="digits", epochs=40, patience=40, name="mine")
    assert within(SOON, trains(jobs, record.id))
    has_torch = ["libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in worker.pids()]
    assert has_torch == [False, False, True]
    assert within(SOON, ended(jobs, record.id))
    done = jobs.get(record.id)
    assert (done.status, done.attempt, done.error) == ("succeeded", 1, None)
    assert done.result is not None
    assert done.result["model"] == "mine"
    assert (done.progress.fraction, done.progress.stage) == (1.0, "done")
    assert models.describe(artefacts, "mine").job_id == record.id
    types = [event.type for event in jobs.events(record.id)]
    assert types.count("metrics") == 40
    assert types[-1] == "end"
    assert within(5, lambda: sorted(artefacts.files(f"jobs/{record.id}")) == ["curve.png", "record.json", "result.json"])
    assert within(5, lambda: not redis.exists(f"rq:job:{rq_job_id(record)}"))


def test_a_cancelled_job_stops_within_seconds_and_the_next_one_runs(
    jobs: Attempts, submit: Submit, start_worker: Start, redis: Redis
) -> None:
    worker = start_worker()
    by_lease, by_command, waiting, last = submit(**ENDLESS), submit(**ENDLESS), submit(**ENDLESS), submit(dataset="no")
    jobs.cancel(waiting.id)
    assert within(SOON, trains(jobs, by_lease.id))
    process = worker.job_pid
    jobs.cancel(by_lease.id)
    assert within(3, lambda: not alive(process))
    assert within(SOON, trains(jobs, by_command.id))
    process = worker.job_pid
    jobs.cancel(by_command.id)
    send_stop_job_command(redis, rq_job_id(by_command), serializer="json")
    assert within(3, lambda: not alive(process))
    assert within(SOON, ended(jobs, last.id))
    failed = jobs.get(last.id)
    assert failed.error is not None
    assert failed.error.code == "not_found"
    assert [jobs.get(job.id).status for job in (by_lease, by_command, waiting)] == ["cancelled"] * 3
    assert [jobs.get(job.id).attempt for job in (by_lease, by_command, waiting)] == [1] * 3
    assert jobs.get(waiting.id).started_at is None


def test_a_job_whose_process_is_killed_goes_on_and_fails_when_it_dies_again(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    os.kill(worker.job_pid, signal.SIGKILL)
    assert within(3, lambda: jobs.get(record.id).attempt == 2)
    assert within(SOON, trains(jobs, record.id, attempt=2))
    os.kill(worker.job_pid, signal.SIGKILL)
    assert within(3, ended(jobs, record.id))
    failed = jobs.get(record.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "worker_died")


def test_a_killed_queue_process_takes_its_job_along_and_the_job_starts_again(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    _, queue_process, job_process = worker.pids()
    os.kill(queue_process, signal.SIGKILL)
    assert within(3, lambda: not alive(job_process))
    assert within(3 + 6, lambda: jobs.get(record.id).attempt == 2)
    assert within(SOON, trains(jobs, record.id, attempt=2))


def test_a_killed_supervisor_takes_all_along_and_a_new_one_goes_on(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    pids = worker.pids()
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait()
    assert within(5, lambda: not any(alive(pid) for pid in pids))
    start_worker()
    assert within(SOON, trains(jobs, record.id, attempt=2))


def test_a_supervisor_told_to_stop_puts_its_job_back(jobs: Attempts, submit: Submit, start_worker: Start) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, trains(jobs, record.id))
    pids, told = worker.pids(), time.monotonic()
    worker.stop()
    assert time.monotonic() - told < 5
    assert worker.process.returncode == 0
    assert not any(alive(pid) for pid in pids)
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("queued", 2)
    jobs.cancel(record.id)


def test_a_job_over_its_time_fails(jobs: Attempts, submit: Submit, start_worker: Start, redis: Redis) -> None:
    start_worker()
    record, _ = jobs.create("train", ENDLESS)
    queue = Queue("train", connection=redis, serializer="json")
    queue.enqueue_call(**{**jobs.enqueue_arguments(record), "timeout": 12})
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


def test_only_our_task_is_ever_run(
    jobs: Attempts, submit: Submit, start_worker: Start, redis: Redis, tmp_path: Path
) -> None:
    queue = Queue("train", connection=redis, serializer="json")
    evil = tmp_path / "evil"
    queue.enqueue_call("os.mkdir", args=(str(evil),))
    queue.enqueue_call("os.mkdir", kwargs={"job_id": "0" * 32, "attempt": 1})
    queue.enqueue_call("worker.tasks.run", kwargs={"job_id": "../x", "attempt": 1})
    Queue("train", connection=redis).enqueue_call("os.mkdir", args=(str(evil),))  # pickled
    start_worker()
    record = submit(dataset="no")
    assert within(SOON, ended(jobs, record.id))
    assert not evil.exists()
