"""What RQ is told, and what it is asked."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from latentaug.errors import Unavailable
from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.jobs.queue import TASK, JobQueue, attempt_of
from latentaug.runtime.jobs.record import KINDS
from latentaug.runtime.settings import Settings
from service.stack.valkey import EmbeddedRedis

PARAMS = {"dataset": "digits"}
NONE = dict.fromkeys(KINDS, 0)


@pytest.fixture
def redis(settings: Settings, jobs: Attempts) -> Iterator[Redis]:
    with connect(settings) as redis:
        yield redis


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> JobQueue:
    return JobQueue(redis, settings)


def in_rq(redis: Redis, name: str) -> Queue:
    return Queue(name, connection=redis, serializer="json")


def test_each_attempt_waits_in_the_queue_of_its_kind_in_plain_data(
    jobs: Attempts, queue: JobQueue, redis: Redis, settings: Settings
) -> None:
    train, evaluate = (jobs.create(kind, PARAMS)[0] for kind in ("train", "evaluate"))
    queue.enqueue([train, evaluate])
    (entry,) = in_rq(redis, "train").jobs
    assert (entry.func_name, entry.args, entry.kwargs) == (TASK, [], {"job_id": train.id, "attempt": 1})
    assert (entry.id, entry.timeout, entry.result_ttl) == (f"{train.id}-1", settings.job_timeout, 0)
    assert b"pickle" not in entry.data
    assert attempt_of(entry) == (train.id, 1)
    assert queue.waiting() == {(train.id, 1), (evaluate.id, 1)}
    assert queue.depths() == {**NONE, "train": 1, "evaluate": 1}


def test_sub_jobs_wait_there_too_in_their_order(jobs: Attempts, queue: JobQueue, redis: Redis) -> None:
    record, _ = jobs.create("evaluate", PARAMS)
    jobs.claim(record.id, 1)
    sub_jobs = jobs.fan_out(record.id, 1, {f"part-{i}": {} for i in range(3)}, 0, 1)
    queue.enqueue(sub_jobs)
    assert in_rq(redis, "evaluate").job_ids == [f"{record.id}_part-{i}-1" for i in range(3)]
    assert queue.waiting() == {(sub_job.id, 1) for sub_job in sub_jobs}


def test_nothing_to_enqueue_asks_nothing(queue: JobQueue, redis: Redis) -> None:
    queue.enqueue([])
    assert not redis.exists("rq:queues")


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        ("os.mkdir", (), {"job_id": "0" * 32, "attempt": 1}),
        (TASK, (), {"job_id": "../x", "attempt": 1}),
        (TASK, (), {"job_id": "0" * 32, "attempt": "1"}),
        (TASK, (), {"job_id": "0" * 32, "attempt": 1, "more": 1}),
        (TASK, ("x",), {"job_id": "0" * 32, "attempt": 1}),
        (TASK, ("0" * 32, 1), {}),
    ],
)
def test_what_others_wrote_into_redis_is_no_attempt(
    redis: Redis, function: str, arguments: tuple[object, ...], named: dict[str, object]
) -> None:
    entry = in_rq(redis, "train").enqueue_call(function, args=arguments, kwargs=named)
    assert attempt_of(Job.fetch(entry.id, connection=redis, serializer="json")) is None


def test_a_pickle_is_never_read(redis: Redis, queue: JobQueue) -> None:
    entry = Queue("train", connection=redis).enqueue_call(TASK, kwargs={"job_id": "0" * 32, "attempt": 1})
    assert attempt_of(Job.fetch(entry.id, connection=redis, serializer="json")) is None
    assert queue.waiting() == set(), "an id that is not ours"
    assert queue.depths()["train"] == 1


def test_live_workers_are_counted_by_queue_and_host(redis: Redis, queue: JobQueue) -> None:
    assert queue.workers() == NONE
    for name in ("train", "train", "evaluate"):
        Worker([name], name=f"{name}-{os.urandom(4).hex()}", connection=redis, serializer="json").register_birth()
    assert queue.workers() == queue.workers(socket.gethostname()) == {**NONE, "train": 2, "evaluate": 1}
    assert queue.workers("elsewhere") == NONE


def test_stopping_what_does_not_run_changes_nothing(jobs: Attempts, queue: JobQueue) -> None:
    record, _ = jobs.create("train", PARAMS)
    queue.stop(record)
    queue.enqueue([record])
    queue.stop(record)
    assert queue.waiting() == {(record.id, 1)}


def test_without_redis_all_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = EmbeddedRedis(tmp_path_factory.mktemp("home"))
    settings = Settings(redis_url=server.start())
    with connect(settings) as redis:
        queue = JobQueue(redis, settings)
        server.stop()
        for ask in (queue.waiting, queue.depths, queue.workers, queue.clean):
            with pytest.raises(Unavailable):
                ask()
