"""Records and queues are brought back together."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis import Redis
from rq import Queue

from latentaug.runtime.jobs import Attempts, JobRecord, rq_job_id
from worker import reconciler
from worker.reconciler import clean_up, reconcile

PARAMS = {"dataset": "digits"}


def waiting(redis: Redis) -> list[str]:
    return Queue("train", connection=redis, serializer="json").job_ids


def test_a_job_that_never_reached_its_queue_is_put_there_once(
    jobs: Attempts, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.create("train", PARAMS)
    reconcile(redis, jobs)
    assert waiting(redis) == [], "it may still be on its way"
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    for _ in range(3):
        reconcile(redis, jobs)
        assert waiting(redis) == [rq_job_id(record)]


def test_a_job_that_waits_in_its_queue_is_left_there(
    jobs: Attempts, redis: Redis, submit: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    records = [submit(**PARAMS) for _ in range(3)]
    reconcile(redis, jobs)
    assert waiting(redis) == [rq_job_id(record) for record in records]


def test_a_running_job_is_taken_over_only_when_its_lease_has_run_out(jobs: Attempts, redis: Redis) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    reconcile(redis, jobs)
    assert jobs.get(record.id).attempt == 1
    time.sleep(3.1)
    reconcile(redis, jobs)
    again = jobs.get(record.id)
    assert (again.status, again.attempt) == ("queued", 2)
    assert waiting(redis) == [rq_job_id(again)]


def test_ended_jobs_are_left_alone(jobs: Attempts, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    jobs.cancel(jobs.create("train", PARAMS)[0].id)
    reconcile(redis, jobs)
    assert waiting(redis) == []


def test_cleaning_up_leaves_waiting_jobs(jobs: Attempts, redis: Redis, submit: Callable[..., JobRecord]) -> None:
    record = submit(**PARAMS)
    clean_up(redis)
    assert waiting(redis) == [rq_job_id(record)]


def test_a_job_that_waits_for_its_children_is_left_alone_and_they_are_looked_after(
    jobs: Attempts, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    lost, unqueued = jobs.fan_out(record.id, 1, {"a": {}, "b": {}}, 0, 1)
    jobs.claim(lost.id, 1)
    time.sleep(3.1)
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    reconcile(redis, jobs)
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("running", 1)
    assert sorted(waiting(redis)) == [f"{lost.id}-2", f"{unqueued.id}-1"]
