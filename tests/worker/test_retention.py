"""What is old is deleted, and never what is in use; the clock is passed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pytest
from redis import Redis

from latentaug import datasets
from latentaug.errors import NotFound
from latentaug.runtime.jobs import Attempts, OldJobs
from latentaug.runtime.settings import Settings
from latentaug.storage import tenants
from latentaug.storage.objects import ArtefactStore
from worker import retention
from worker.retention import delete_old_jobs, delete_unused_uploads

pytestmark = pytest.mark.stores

PARAMS = {"dataset": "digits"}
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)


@pytest.fixture
def old_jobs(redis: Redis, artefacts: ArtefactStore) -> OldJobs:
    return OldJobs(redis, artefacts)


@pytest.fixture
def ended(jobs: Attempts, artefacts: ArtefactStore) -> Callable[[], str]:
    def ended() -> str:
        record = jobs.cancel(jobs.create("evaluate", PARAMS)[0].id)
        artefacts.put(f"jobs/{record.id}/figures/generation.png", b"...")
        return record.id

    return ended


def listed(jobs: Attempts) -> list[str]:
    return [record.id for record in jobs.list()[0]]


def sent(redis: Redis) -> int:
    """Bytes that Redis has answered so far."""
    return int(cast("dict[str, int]", redis.info("stats"))["total_net_output_bytes"])


def test_old_jobs_go_with_their_files_once_they_are_old_enough(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    artefacts: ArtefactStore,
    ended: Callable[[], str],
) -> None:
    old = ended()
    unfinished, _ = jobs.create("train", PARAMS)
    now = datetime.now(UTC)
    delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=29.9))
    assert jobs.get(old).status == "cancelled"
    delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=30.1))
    assert artefacts.folders("jobs") == []
    assert listed(jobs) == [unfinished.id]
    for ask in (jobs.get, jobs.events):
        with pytest.raises(NotFound):
            ask(old)


def test_old_jobs_stay_where_an_unfinished_job_names_them(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, ended: Callable[[], str]
) -> None:
    needed, _ = ended(), ended()
    asking, _ = jobs.create("evaluate", {**PARAMS, "beside": [needed]})
    later = datetime.now(UTC) + timedelta(days=31)
    delete_old_jobs(old_jobs, jobs, settings, later)
    assert jobs.get(needed).status == "cancelled"
    assert listed(jobs) == [asking.id, needed]
    jobs.cancel(asking.id)
    delete_old_jobs(old_jobs, jobs, settings, later)
    assert listed(jobs) == []


def test_old_jobs_go_a_few_at_a_time_the_oldest_first(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    ended: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "MOST_DELETED", 2)
    needed, *others = [ended() for _ in range(5)]
    jobs.create("evaluate", {**PARAMS, "beside": [needed]})
    later = datetime.now(UTC) + timedelta(days=31)
    delete_old_jobs(old_jobs, jobs, settings, later)
    assert [job for job in others if job in listed(jobs)] == others[2:]
    delete_old_jobs(old_jobs, jobs, settings, later)
    assert [job for job in others if job in listed(jobs)] == []


def test_old_jobs_stay_for_ever_where_the_setting_is_0(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, ended: Callable[[], str]
) -> None:
    old = ended()
    for_ever = settings.model_copy(update={"job_retention_days": 0.0})
    delete_old_jobs(old_jobs, jobs, for_ever, datetime.now(UTC) + timedelta(days=10_000))
    assert listed(jobs) == [old]


def test_old_jobs_go_even_if_redis_was_emptied_since_they_ended(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    redis: Redis,
    artefacts: ArtefactStore,
    ended: Callable[[], str],
) -> None:
    ended()
    redis.flushall()
    jobs.complete_index()
    delete_old_jobs(old_jobs, jobs, settings, datetime.now(UTC) + timedelta(days=31))
    assert artefacts.folders("jobs") == []


def test_old_jobs_go_in_the_next_round_where_a_deletion_was_broken_off(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    artefacts: ArtefactStore,
    ended: Callable[[], str],
) -> None:
    half = ended()
    artefacts.delete(f"jobs/{half}/record.json")
    delete_old_jobs(old_jobs, jobs, settings, datetime.now(UTC) + timedelta(days=31))
    assert artefacts.folders("jobs") == []
    assert listed(jobs) == []


def test_the_files_of_a_job_go_before_its_record(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, artefacts: ArtefactStore, ended: Callable[[], str]
) -> None:
    settings = settings.model_copy(update={"result_retention_days": 2.0})
    gone, needed = ended(), ended()
    jobs.create("evaluate", {**PARAMS, "beside": [needed]})
    now = datetime.now(UTC)
    delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=1.9))
    assert artefacts.files(f"jobs/{gone}/figures") == ["generation.png"]
    for _ in range(2):
        delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=2.1))
        assert artefacts.files(f"jobs/{gone}/figures") == []
        assert artefacts.files(f"jobs/{needed}/figures") == ["generation.png"], "an unfinished job will read it"
        assert jobs.get(gone).status == "cancelled"
    delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=30.1))
    assert needed in listed(jobs)
    assert gone not in listed(jobs)


def test_the_first_to_end_goes_first_whether_or_not_its_files_are_gone(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    ended: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "MOST_DELETED", 1)
    full, emptied, last = (ended() for _ in range(3))
    asking, _ = jobs.create("evaluate", {**PARAMS, "beside": [full]})
    later = datetime.now(UTC) + timedelta(days=31)
    assert old_jobs.empty_ended_before(later, 1) == [emptied]
    jobs.cancel(asking.id)
    for others in ([last, emptied], [last], []):
        delete_old_jobs(old_jobs, jobs, settings, later)
        assert [job for job in listed(jobs) if job != asking.id] == others


def test_a_round_that_finds_no_more_old_files_reads_as_little_after_200_jobs_as_after_5(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, redis: Redis, ended: Callable[[], str]
) -> None:
    settings = settings.model_copy(update={"result_retention_days": 2.0})
    later = datetime.now(UTC) + timedelta(days=3)
    read = []
    for more in (5, 195):
        for _ in range(more):
            ended()
        assert len(old_jobs.empty_ended_before(later, 200)) == more
        before = sent(redis)
        delete_old_jobs(old_jobs, jobs, settings, later)
        read.append(sent(redis) - before)
    assert read[0] == pytest.approx(read[1], rel=0.2)


def test_files_that_an_earlier_version_has_deleted_are_not_deleted_again(
    old_jobs: OldJobs,
    jobs: Attempts,
    settings: Settings,
    redis: Redis,
    artefacts: ArtefactStore,
    ended: Callable[[], str],
) -> None:
    settings = settings.model_copy(update={"result_retention_days": 2.0})
    emptied, deleted, full = ended(), "0" * 32, ended()
    artefacts.delete_folder(f"jobs/{emptied}/figures")
    redis.sadd("latentaug:emptied", emptied, deleted)  # as that version noted it, `ends` holding the job as well
    now = datetime.now(UTC)
    assert old_jobs.empty_ended_before(now + timedelta(days=3), 20) == [full]
    assert artefacts.files(f"jobs/{full}") == ["record.json"]
    assert set(listed(jobs)) == {emptied, full}
    delete_old_jobs(old_jobs, jobs, settings, now + timedelta(days=31))
    assert listed(jobs) == []
    assert artefacts.folders("jobs") == []
    assert list(redis.scan_iter("latentaug:e[mn]*")) == [b"latentaug:ended"], "and nothing is left of them"


def test_files_stay_with_the_record_where_the_setting_is_0(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, artefacts: ArtefactStore, ended: Callable[[], str]
) -> None:
    job = ended()
    delete_old_jobs(old_jobs, jobs, settings, datetime.now(UTC) + timedelta(days=29))
    assert artefacts.files(f"jobs/{job}/figures") == ["generation.png"]


def test_uploads_of_tenants_go_like_those_of_nobody(
    jobs: Attempts, settings: Settings, artefacts: ArtefactStore
) -> None:
    first, second = tenants.of(artefacts, "first"), tenants.of(artefacts, "second")
    for store in (first, second):
        datasets.create(store, "same", IMAGES, None, 2**20)
    jobs.create("train", {"dataset": "same"}, tenant="second")
    settings = settings.model_copy(update={"upload_retention_days": 7.0})

    delete_unused_uploads(artefacts, jobs, settings, datetime.now(UTC) + timedelta(days=8))

    assert "same" not in datasets.names(first)
    assert "same" in datasets.names(second), "a job of that tenant will use it"


def test_uploads_go_that_nobody_has_used(jobs: Attempts, settings: Settings, artefacts: ArtefactStore) -> None:
    for name in ("unused", "used", "wanted"):
        datasets.create(artefacts, name, IMAGES, None, 2**20)
    datasets.load("used", artefacts, settings.dataset_folders)
    waiting, _ = jobs.create("train", {"dataset": "wanted"})
    later = datetime.now(UTC) + timedelta(days=8)

    delete_unused_uploads(artefacts, jobs, settings, later)
    assert "unused" in datasets.names(artefacts), "0 keeps all"
    settings = settings.model_copy(update={"upload_retention_days": 7.0})
    delete_unused_uploads(artefacts, jobs, settings, later - timedelta(days=2))
    assert "unused" in datasets.names(artefacts), "it is not old enough"
    delete_unused_uploads(artefacts, jobs, settings, later)

    assert set(datasets.names(artefacts)) - set(datasets.BUILT_IN) == {"used", "wanted"}
    jobs.cancel(waiting.id)
    delete_unused_uploads(artefacts, jobs, settings, later)
    assert set(datasets.names(artefacts)) - set(datasets.BUILT_IN) == {"used"}


def test_what_goes_is_counted(
    old_jobs: OldJobs, jobs: Attempts, settings: Settings, artefacts: ArtefactStore, ended: Callable[[], str]
) -> None:
    settings = settings.model_copy(update={"result_retention_days": 2.0, "upload_retention_days": 2.0})
    datasets.create(artefacts, "unused", IMAGES, None, 2**20)
    for _ in range(2):
        ended()

    for days in (3, 31, 31):
        delete_old_jobs(old_jobs, jobs, settings, datetime.now(UTC) + timedelta(days=days))
        delete_unused_uploads(artefacts, jobs, settings, datetime.now(UTC) + timedelta(days=days))

    counted = jobs.counted()
    assert {name: sum(counted[name].values()) for name in ("jobs_deleted", "job_files_deleted", "uploads_deleted")} == {
        "jobs_deleted": 2,
        "job_files_deleted": 2,
        "uploads_deleted": 1,
    }
