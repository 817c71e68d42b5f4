"""Whoever can write to Redis can have none but our own task run. Real workers, a real Valkey."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from latentaug.errors import Forbidden
from latentaug.runtime.jobs import JobRecord
from latentaug.runtime.jobs.queue import TASK, JobQueue
from tests.waiting import within
from tests.worker.conftest import WorkerProcess
from worker.queue_process import OurJob

OURS = {"job_id": "0" * 32, "attempt": 1}
SOON = 180.0


class Injector:
    """Writes what an intruder may write, and tells by a folder whether it has run."""

    def __init__(self, redis: Redis, evil: Path) -> None:
        self._redis = redis
        self._evil = evil
        self._queue = Queue("train", connection=redis, serializer="json")

    def another_function(self) -> None:
        self._queue.enqueue_call("os.mkdir", args=(str(self._evil),))

    def a_command_of_the_shell(self) -> None:
        self._queue.enqueue_call("os.system", args=(f"mkdir {self._evil}",))

    def another_function_with_our_arguments(self) -> None:
        self._queue.enqueue_call("os.mkdir", kwargs=OURS)

    def our_task_with_a_path_for_an_id(self) -> None:
        self._queue.enqueue_call(TASK, kwargs={"job_id": f"../../{self._evil}", "attempt": 1})

    def a_pickle(self) -> None:
        Queue("train", connection=self._redis).enqueue_call("os.mkdir", args=(str(self._evil),))

    def a_pickle_in_place_of_our_data(self) -> None:
        # What pickle.loads would call os.mkdir for.
        pickled = b"cos\nmkdir\n(S'" + str(self._evil).encode() + b"'\ntR."
        self._raw(zlib.compress(pickled))

    def our_task_with_callbacks(self) -> None:
        job = self._queue.enqueue_call(TASK, kwargs=OURS)
        for end in ("success", "failure", "stopped"):
            self._redis.hset(job.key, f"{end}_callback_name", "tests.worker.test_injections.callback")
            self._redis.hset(job.key, f"{end}_callback_timeout", 10)

    def our_task_of_another_object(self) -> None:
        self._raw(zlib.compress(json.dumps([TASK, {"run": "os.system"}, [], OURS]).encode()))

    def our_tasks_name_in_another_module(self) -> None:
        self._queue.enqueue_call("shutil.os.mkdir", args=(str(self._evil),))

    def no_data_at_all(self) -> None:
        self._raw(b"\x00")

    def _raw(self, data: bytes) -> None:
        job = self._queue.enqueue_call(TASK, kwargs=OURS)
        self._redis.hset(job.key, "data", data)


INJECTIONS: list[Callable[[Injector], None]] = [
    Injector.another_function,
    Injector.a_command_of_the_shell,
    Injector.another_function_with_our_arguments,
    Injector.our_task_with_a_path_for_an_id,
    Injector.a_pickle,
    Injector.a_pickle_in_place_of_our_data,
    Injector.our_task_with_callbacks,
    Injector.our_task_of_another_object,
    Injector.our_tasks_name_in_another_module,
    Injector.no_data_at_all,
]


@pytest.mark.slow
def test_a_worker_leaves_all_of_them_and_does_our_job(
    redis: Redis,
    queue: JobQueue,
    submit: Callable[..., JobRecord],
    start_worker: Callable[..., WorkerProcess],
    tmp_path: Path,
) -> None:
    evil = tmp_path / "evil"
    injector = Injector(redis, evil)
    for inject in INJECTIONS:
        inject(injector)
    start_worker()
    record = submit(dataset="nothing")  # it ends at once, and after all of the others
    assert within(SOON, lambda: redis.hget(f"latentaug:job:{record.id}", "status") == b"failed")
    assert not evil.exists()
    assert queue.depths()["train"] == 0


def test_what_changes_between_the_check_and_the_start_of_its_process_is_not_run_either(
    redis: Redis, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    queued = Queue("train", connection=redis, serializer="json").enqueue_call("os.mkdir", args=(str(evil),))
    job = OurJob.fetch(queued.id, connection=redis, serializer="json")

    with pytest.raises(Forbidden, match="not one of our tasks"):
        job.perform()

    assert not evil.exists()


def callback(*_: object) -> None:
    raise AssertionError("a callback was run")


def test_callbacks_are_never_looked_up(redis: Redis) -> None:
    Injector(redis, Path()).our_task_with_callbacks()
    (job_id,) = Queue("train", connection=redis, serializer="json").job_ids
    plain = Job.fetch(job_id, connection=redis, serializer="json")
    ours = OurJob.fetch(job_id, connection=redis, serializer="json")
    assert plain.success_callback is callback, "RQ alone would call it"
    assert (ours.success_callback, ours.failure_callback, ours.stopped_callback) == (None, None, None)
