"""Records and queues are brought back together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from redis import Redis

from latentaug.errors import Damaged
from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from tests.waiting import within
from worker import reconciler
from worker.reconciler import Watch, reconcile, start_reconciling, tend

PARAMS = {"dataset": "digits"}
AT_ONCE = Watch(0.0)
"""Takes a process to be gone as soon as its lease is missing."""


def test_a_job_that_never_reached_its_queue_is_put_there_once(
    jobs: Attempts, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.create("train", PARAMS)
    reconcile(jobs, queue, AT_ONCE)
    assert queue.waiting() == set(), "it may still be on its way"
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    for _ in range(3):
        reconcile(jobs, queue, AT_ONCE)
        assert queue.waiting() == {(record.id, 1)}
        assert queue.depths()["train"] == 1


def test_a_job_that_waits_in_its_queue_is_left_there(
    jobs: Attempts, queue: JobQueue, submit: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    records = [submit(**PARAMS) for _ in range(3)]
    reconcile(jobs, queue, AT_ONCE)
    assert queue.waiting() == {(record.id, 1) for record in records}
    assert queue.depths()["train"] == 3


def test_a_running_job_is_taken_over_only_when_its_lease_has_run_out(jobs: Attempts, queue: JobQueue) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    reconcile(jobs, queue, AT_ONCE)
    assert jobs.get(record.id).attempt == 1
    time.sleep(3.1)
    reconcile(jobs, queue, AT_ONCE)
    again = jobs.get(record.id)
    assert (again.status, again.attempt) == ("queued", 2)
    assert queue.waiting() == {(again.id, 2)}


def test_ended_jobs_are_left_alone(jobs: Attempts, queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    jobs.cancel(jobs.create("train", PARAMS)[0].id)
    reconcile(jobs, queue, AT_ONCE)
    assert queue.waiting() == set()


def test_cleaning_up_leaves_waiting_jobs(jobs: Attempts, queue: JobQueue, submit: Callable[..., JobRecord]) -> None:
    record = submit(**PARAMS)
    queue.clean()
    assert queue.waiting() == {(record.id, 1)}


def test_a_job_that_waits_for_its_sub_jobs_is_left_alone_and_they_are_looked_after(
    jobs: Attempts, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    lost, unqueued = jobs.fan_out(record.id, 1, {"a": {}, "b": {}}, 0, 1)
    jobs.claim(lost.id, 1)
    time.sleep(3.1)
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    reconcile(jobs, queue, AT_ONCE)
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("running", 1)
    assert queue.waiting() == {(lost.id, 2), (unqueued.id, 1)}


def test_a_process_is_gone_only_if_its_lease_stays_away(jobs: Attempts, queue: JobQueue, redis: Redis) -> None:
    now = 0.0
    watch = Watch(5.0, lambda: now)
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)

    def look(second: float, *, lease: bool) -> int:
        """The attempt after a look at that second."""
        nonlocal now
        now = second
        if lease:
            jobs.renew(record.id, 1)
        else:
            redis.delete(f"latentaug:lease:{record.id}")
        reconcile(jobs, queue, watch)
        return jobs.get(record.id).attempt

    assert look(3, lease=False) == 1, "a clock that was set forward ends all leases at once"
    assert look(6, lease=True) == 1
    assert look(9, lease=False) == 1
    assert look(40, lease=False) == 1, "Redis was silent since, and nobody could renew"
    assert look(43, lease=False) == 1
    watch.forget()
    assert look(46, lease=False) == 1, "it was away again"
    assert look(49, lease=False) == 1
    assert look(52, lease=False) == 2


def test_the_trouble_of_one_job_holds_up_no_other(
    jobs: Attempts, queue: JobQueue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    damaged, odd, other = (jobs.create("train", PARAMS)[0] for _ in range(3))
    redis.hset(f"latentaug:job:{damaged.id}", "progress", "not JSON")
    redis.hset(f"latentaug:job:{odd.id}", "queued_at", "not a number")
    reconcile(jobs, queue, AT_ONCE)
    assert queue.waiting() == {(other.id, 1)}
    assert [record.id for record in jobs.list()[0]] == [other.id, odd.id]
    with pytest.raises(Damaged, match="run the job again"):
        jobs.get(damaged.id)


def test_a_dead_job_is_put_back_while_the_store_is_being_swept(
    jobs: Attempts, queue: JobQueue, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stop, swept = threading.Event(), threading.Event(), threading.Event()

    def sweep_for_long(*_: object) -> None:
        begun.set()
        swept.wait(60)

    monkeypatch.setattr(reconciler, "tend", sweep_for_long)
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    redis.delete(f"latentaug:lease:{record.id}")
    start_reconciling(stop, settings)
    try:
        assert begun.wait(10)
        assert within(20, lambda: queue.waiting() == {(record.id, 2)})
        assert not swept.is_set()
    finally:
        stop.set()
        swept.set()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> ArtefactStore:
    """An object store that is away."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return ArtefactStore("s3://bucket/prefix")


def test_a_dead_job_is_put_back_while_the_record_of_another_cannot_be_stored(
    redis: Redis, settings: Settings, queue: JobQueue, nowhere: ArtefactStore
) -> None:
    jobs = Attempts(redis, nowhere, settings)
    dead, ended = (jobs.create("train", PARAMS)[0] for _ in range(2))
    jobs.claim(dead.id, 1)
    jobs.cancel(ended.id)
    redis.delete(f"latentaug:lease:{dead.id}")
    reconcile(jobs, queue, AT_ONCE)
    tend(redis, nowhere, settings, 0, datetime.now(UTC))
    assert queue.waiting() == {(dead.id, 2)}
    assert redis.sismember("latentaug:unstored", ended.id), "it is tried again in each round"


def test_a_record_that_cannot_be_stored_holds_up_no_other(
    jobs: Attempts, redis: Redis, artefacts: ArtefactStore, settings: Settings
) -> None:
    first, second = (jobs.create("train", PARAMS)[0] for _ in range(2))
    folder = settings.home / "store" / "jobs" / first.id / "record.json"
    folder.mkdir(parents=True)  # nothing can be written there
    for record in (first, second):
        jobs.cancel(record.id)
        artefacts.delete(f"jobs/{second.id}/record.json")
        redis.sadd("latentaug:unstored", record.id)
    tend(redis, artefacts, settings, 1, datetime.now(UTC))
    assert artefacts.exists(f"jobs/{second.id}/record.json")
    assert redis.smembers("latentaug:unstored") == {first.id.encode()}
