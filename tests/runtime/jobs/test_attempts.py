"""What a worker may rely on: one attempt at a time owns a job."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from latentaug.runtime.jobs import Attempts, JobError, attempts, connect
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.settings import Settings

PARAMS = {"dataset": "digits"}


@pytest.fixture
def running(jobs: Attempts) -> str:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    return record.id


def test_of_many_who_claim_a_job_one_gets_it(jobs: Attempts) -> None:
    record, _ = jobs.create("train", PARAMS)
    with ThreadPoolExecutor(8) as pool:
        claimed = [taken for taken in pool.map(lambda _: jobs.claim(record.id, 1), range(24)) if taken]
    assert [(taken.id, taken.status) for taken in claimed] == [(record.id, "running")]
    assert claimed[0].started_at is not None


def test_only_the_attempt_that_was_queued_can_be_claimed(jobs: Attempts) -> None:
    record, _ = jobs.create("train", PARAMS)
    assert jobs.claim(record.id, 2) is None
    assert jobs.claim("0" * 32, 1) is None
    assert jobs.claim(record.id, 1) is not None


def test_progress_is_told(jobs: Attempts, running: str) -> None:
    assert jobs.progress(running, 1, 0.25, "epoch 1", 9.0)
    progress = jobs.get(running).progress
    assert (progress.fraction, progress.stage, progress.eta_seconds) == (0.25, "epoch 1", 9.0)


def test_progress_stays_within_0_and_1(jobs: Attempts, running: str) -> None:
    jobs.progress(running, 1, 1.7, "too far")
    assert jobs.get(running).progress.fraction == 1.0


def test_metrics_are_finite(jobs: Attempts, running: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        jobs.progress(running, 1, 0.5, "epoch 1", metrics={"loss": float("nan")})


def test_a_clock_that_is_set_back_holds_up_no_job(
    jobs: Attempts, running: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, _ = jobs.create("train", PARAMS)
    with connect(settings) as redis:
        redis.pexpire(key("lease", running), 3_600_000)  # what a lease has left once the clock was set back by an hour
    now = time.time()
    monkeypatch.setattr(attempts, "time", SimpleNamespace(time=lambda: now - 3600))

    assert math.isinf(jobs.waiting_seconds(waiting)), "the reconciler looks whether it is in its queue"
    assert jobs.lease_alive(running), "its process may well live"
    time.sleep(3.1)
    assert not jobs.lease_alive(running)


def test_a_lease_lasts_while_it_is_renewed(jobs: Attempts, running: str) -> None:
    for _ in range(2):
        time.sleep(1.6)
        assert jobs.lease_alive(running)
        assert jobs.renew(running, 1)
    time.sleep(3.1)
    assert not jobs.lease_alive(running)
    assert jobs.renew(running, 1), "late, but nobody has taken the job meanwhile"
    assert jobs.lease_alive(running)


def test_an_earlier_attempt_can_change_nothing(jobs: Attempts, running: str) -> None:
    again = jobs.requeue(running, 1)
    assert again is not None
    assert (again.status, again.attempt) == ("queued", 2)
    jobs.claim(running, 2)
    before = jobs.get(running)
    assert not jobs.renew(running, 1)
    assert not jobs.progress(running, 1, 0.9, "stale")
    assert not jobs.finish(running, 1, "succeeded")
    assert jobs.requeue(running, 1) is None
    assert jobs.claim(running, 1) is None
    assert jobs.get(running) == before
    assert jobs.finish(running, 2, "succeeded")


def test_an_end_is_final(jobs: Attempts, running: str) -> None:
    assert jobs.finish(running, 1, "succeeded", {"model": "m"})
    before, events = jobs.get(running), jobs.events(running)
    assert not jobs.finish(running, 1, "failed", error=JobError(code="timeout", detail="late"))
    assert not jobs.progress(running, 1, 0.1, "late")
    assert jobs.requeue(running, 1) is None
    assert jobs.claim(running, 1) is None
    assert jobs.get(running) == before
    assert jobs.events(running) == events


def test_a_failure_says_why(jobs: Attempts, running: str) -> None:
    jobs.finish(running, 1, "failed", error=JobError(code="timeout", detail="too long"))
    record = jobs.get(running)
    assert record.status == "failed"
    assert record.error == JobError(code="timeout", detail="too long")
    assert not jobs.lease_alive(running)


def test_a_cancelled_job_loses_its_lease(jobs: Attempts, running: str) -> None:
    jobs.cancel(running)
    assert not jobs.lease_alive(running)
    assert not jobs.renew(running, 1)
    assert not jobs.progress(running, 1, 0.5, "epoch 1")
    assert not jobs.finish(running, 1, "succeeded")


def test_a_process_that_has_ended_its_job_may_write_its_last_files(jobs: Attempts, running: str) -> None:
    jobs.finish(running, 1, "succeeded")
    assert jobs.renew(running, 1)
    assert not jobs.lease_alive(running)


def test_a_job_whose_process_keeps_dying_fails(jobs: Attempts, running: str) -> None:
    assert jobs.requeue(running, 1) is not None
    jobs.claim(running, 2)
    assert jobs.requeue(running, 2) is None
    record = jobs.get(running)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.code == "worker_died"


def test_a_worker_told_to_stop_is_no_death(jobs: Attempts, running: str) -> None:
    for attempt in range(1, 6):
        record = jobs.requeue(running, attempt, died=False)
        assert record is not None
        assert record.attempt == attempt + 1
        jobs.claim(running, attempt + 1)
    assert jobs.get(running).status == "running"


def test_a_queued_job_knows_how_long_it_has_waited(jobs: Attempts, running: str) -> None:
    time.sleep(0.3)
    record = jobs.requeue(running, 1)
    assert record is not None
    assert jobs.waiting_seconds(record) < 0.2
    time.sleep(0.3)
    assert jobs.waiting_seconds(record) >= 0.3
