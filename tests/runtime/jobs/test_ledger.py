"""Who has how much in the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from latentaug.runtime.jobs import Attempts, OldJobs, connect
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

RESULT = b"x" * 5000


def test_each_path_counts_once_for_its_last_owner(jobs: Attempts) -> None:
    ledger = jobs.ledger
    ledger.enter("datasets/a", "one", 100)
    ledger.enter("datasets/b", "one", 20)
    ledger.enter("models/a", "two", 3)
    assert ledger.totals() == {"one": 120, "two": 3}
    ledger.enter("datasets/a", "one", 50)
    ledger.enter("datasets/b", "two", 20)
    assert ledger.totals() == {"one": 50, "two": 23}
    ledger.erase("datasets/a")
    ledger.erase("datasets/a")
    ledger.erase("never/was")
    assert ledger.totals() == {"two": 23}
    assert (ledger.total("one"), ledger.total("two")) == (0, 23)


def test_without_an_owner_nothing_is_counted(jobs: Attempts) -> None:
    jobs.ledger.enter("datasets/a", "", 100)
    assert jobs.ledger.totals() == {}


def test_what_a_job_made_is_its_owners_until_it_is_deleted(
    jobs: Attempts, artefacts: ArtefactStore, settings: Settings
) -> None:
    record, _ = jobs.create("train", {"name": "mine"}, owner="one")
    jobs.claim(record.id, 1)
    artefacts.put(f"jobs/{record.id}/result.json", RESULT)
    artefacts.put(f"models/mine/{record.id}/weights.safetensors", RESULT)
    jobs.finish(record.id, 1, "succeeded", {})
    both = jobs.ledger.total("one")
    assert 2 * len(RESULT) < both < 2 * len(RESULT) + 2000
    with connect(settings) as redis:
        OldJobs(redis, artefacts).delete_ended_before(datetime.now(UTC) + timedelta(days=1), 5)
    assert jobs.ledger.total("one") == len(RESULT), "the model is still there"


def test_a_model_that_a_cancelled_job_did_not_make_is_not_its_owners(jobs: Attempts, artefacts: ArtefactStore) -> None:
    record, _ = jobs.create("train", {"name": "others"}, owner="one")
    artefacts.put("models/others/v/weights.safetensors", RESULT)
    jobs.cancel(record.id)
    assert jobs.ledger.total("one") < 2000


def test_jobs_of_an_owner_are_bounded_until_they_end(jobs: Attempts, settings: Settings) -> None:
    with connect(settings) as redis:
        assert redis.scard("latentaug:unfinished:one") == 0
        records = [jobs.create("train", {}, owner="one")[0] for _ in range(2)]
        jobs.claim(records[0].id, 1)
        assert redis.scard("latentaug:unfinished:one") == 2
        jobs.finish(records[0].id, 1, "succeeded", {})
        jobs.cancel(records[1].id)
        assert redis.scard("latentaug:unfinished:one") == 0
