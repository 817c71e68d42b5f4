"""Records and queues are brought back together."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from latentaug.errors import NotFound
from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker import reconciler
from worker.reconciler import delete_old, reconcile

PARAMS = {"dataset": "digits"}


def test_a_job_that_never_reached_its_queue_is_put_there_once(
    jobs: Attempts, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.create("train", PARAMS)
    reconcile(jobs, queue)
    assert queue.waiting() == set(), "it may still be on its way"
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    for _ in range(3):
        reconcile(jobs, queue)
        assert queue.waiting() == {(record.id, 1)}
        assert queue.depths()["train"] == 1


def test_a_job_that_waits_in_its_queue_is_left_there(
    jobs: Attempts, queue: JobQueue, submit: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    records = [submit(**PARAMS) for _ in range(3)]
    reconcile(jobs, queue)
    assert queue.waiting() == {(record.id, 1) for record in records}
    assert queue.depths()["train"] == 3


def test_a_running_job_is_taken_over_only_when_its_lease_has_run_out(jobs: Attempts, queue: JobQueue) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    reconcile(jobs, queue)
    assert jobs.get(record.id).attempt == 1
    time.sleep(3.1)
    reconcile(jobs, queue)
    again = jobs.get(record.id)
    assert (again.status, again.attempt) == ("queued", 2)
    assert queue.waiting() == {(again.id, 2)}


def test_ended_jobs_are_left_alone(jobs: Attempts, queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)
    jobs.cancel(jobs.create("train", PARAMS)[0].id)
    reconcile(jobs, queue)
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
    reconcile(jobs, queue)
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("running", 1)
    assert queue.waiting() == {(lost.id, 2), (unqueued.id, 1)}


class TestOldJobs:
    """Jobs that ended long ago are deleted; the clock is passed in."""

    @pytest.fixture
    def ended(self, jobs: Attempts, artefacts: ArtefactStore) -> Callable[[], str]:
        def ended() -> str:
            record = jobs.cancel(jobs.create("evaluate", PARAMS)[0].id)
            artefacts.put(f"jobs/{record.id}/figures/generation.png", b"...")
            return record.id

        return ended

    @staticmethod
    def listed(jobs: Attempts) -> list[str]:
        return [record.id for record in jobs.list()[0]]

    def test_go_with_their_files_once_they_are_old_enough(
        self, jobs: Attempts, settings: Settings, artefacts: ArtefactStore, ended: Callable[[], str]
    ) -> None:
        old = ended()
        unfinished, _ = jobs.create("train", PARAMS)
        now = datetime.now(UTC)
        delete_old(jobs, settings, now + timedelta(days=29.9))
        assert jobs.get(old).status == "cancelled"
        delete_old(jobs, settings, now + timedelta(days=30.1))
        assert artefacts.folders("jobs") == []
        assert self.listed(jobs) == [unfinished.id]
        for ask in (jobs.get, jobs.events):
            with pytest.raises(NotFound):
                ask(old)

    def test_stay_where_an_unfinished_job_names_them(
        self, jobs: Attempts, settings: Settings, ended: Callable[[], str]
    ) -> None:
        needed, _ = ended(), ended()
        asking, _ = jobs.create("evaluate", {**PARAMS, "beside": [needed]})
        later = datetime.now(UTC) + timedelta(days=31)
        delete_old(jobs, settings, later)
        assert jobs.get(needed).status == "cancelled"
        assert self.listed(jobs) == [asking.id, needed]
        jobs.cancel(asking.id)
        delete_old(jobs, settings, later)
        assert self.listed(jobs) == []

    def test_go_a_few_at_a_time_the_oldest_first(
        self, jobs: Attempts, settings: Settings, ended: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciler, "MOST_DELETED", 2)
        needed, *others = [ended() for _ in range(5)]
        jobs.create("evaluate", {**PARAMS, "beside": [needed]})
        later = datetime.now(UTC) + timedelta(days=31)
        delete_old(jobs, settings, later)
        assert [job for job in others if job in self.listed(jobs)] == others[2:]
        delete_old(jobs, settings, later)
        assert [job for job in others if job in self.listed(jobs)] == []

    def test_stay_for_ever_where_the_setting_is_0(
        self, jobs: Attempts, settings: Settings, ended: Callable[[], str]
    ) -> None:
        old = ended()
        for_ever = settings.model_copy(update={"job_retention_days": 0.0})
        delete_old(jobs, for_ever, datetime.now(UTC) + timedelta(days=10_000))
        assert self.listed(jobs) == [old]

    def test_go_even_if_redis_was_emptied_since_they_ended(
        self, jobs: Attempts, settings: Settings, redis: Redis, artefacts: ArtefactStore, ended: Callable[[], str]
    ) -> None:
        ended()
        redis.flushall()
        jobs.complete_index()
        delete_old(jobs, settings, datetime.now(UTC) + timedelta(days=31))
        assert artefacts.folders("jobs") == []

    def test_go_in_the_next_round_where_a_deletion_was_broken_off(
        self, jobs: Attempts, settings: Settings, artefacts: ArtefactStore, ended: Callable[[], str]
    ) -> None:
        half = ended()
        artefacts.delete(f"jobs/{half}/record.json")
        delete_old(jobs, settings, datetime.now(UTC) + timedelta(days=31))
        assert artefacts.folders("jobs") == []
        assert self.listed(jobs) == []
