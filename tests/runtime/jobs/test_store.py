"""What callers may rely on about jobs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import get_args

import pytest

from latentaug.errors import Conflict, InvalidInput, NotFound, TooManyRequests
from latentaug.runtime.jobs import Attempts, JobStore, SubJobs, connect
from latentaug.runtime.jobs.record import Kind, Status
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

PARAMS = {"dataset": "digits", "epochs": 3}


def test_a_new_job_is_queued_and_can_be_read(jobs: JobStore) -> None:
    record, created = jobs.create("train", PARAMS)
    assert created
    assert jobs.get(record.id) == record
    assert (record.kind, record.status, record.params, record.attempt) == ("train", "queued", PARAMS, 1)
    assert record.started_at is record.ended_at is record.result is record.error is None
    assert record.model_dump(mode="json")["created_at"].endswith("Z")


def test_the_same_key_and_request_give_the_same_job(jobs: JobStore) -> None:
    first, _ = jobs.create("train", PARAMS, owner="ann", idempotency_key="one")
    again, created = jobs.create("train", dict(reversed(PARAMS.items())), owner="ann", idempotency_key="one")
    assert (again.id, created) == (first.id, False)


def test_a_key_belongs_to_its_owner_and_to_one_request(jobs: JobStore) -> None:
    first, _ = jobs.create("train", PARAMS, owner="ann", idempotency_key="one")
    other, created = jobs.create("train", PARAMS, owner="bob", idempotency_key="one")
    assert created
    assert other.id != first.id
    with pytest.raises(Conflict, match="new key"):
        jobs.create("train", {**PARAMS, "epochs": 4}, owner="ann", idempotency_key="one")
    with pytest.raises(Conflict, match="new key"):
        jobs.create("evaluate", PARAMS, owner="ann", idempotency_key="one")


def test_many_callers_with_one_key_make_one_job(jobs: JobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: jobs.create("train", PARAMS, idempotency_key="one"), range(24)))
    assert len({record.id for record, _ in made}) == 1
    assert sum(created for _, created in made) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_1_to_255_characters(jobs: JobStore, key: str) -> None:
    with pytest.raises(InvalidInput):
        jobs.create("train", PARAMS, idempotency_key=key)


def test_each_kind_has_a_bounded_queue(jobs: Attempts) -> None:
    records = [jobs.create("train", PARAMS)[0] for _ in range(5)]
    with pytest.raises(TooManyRequests) as refused:
        jobs.create("train", PARAMS)
    assert refused.value.retry_after
    assert jobs.create("evaluate", PARAMS)[1]
    jobs.claim(records[0].id, 1)
    assert jobs.create("train", PARAMS)[1]


def test_a_full_queue_still_knows_an_earlier_request(jobs: JobStore) -> None:
    first, _ = jobs.create("train", PARAMS, idempotency_key="one")
    for _ in range(4):
        jobs.create("train", PARAMS)
    assert jobs.create("train", PARAMS, idempotency_key="one")[0].id == first.id


def test_only_one_unfinished_job_holds_a_name(jobs: Attempts) -> None:
    holder, _ = jobs.create("train", PARAMS, reserve="mine")
    with pytest.raises(Conflict, match=holder.id):
        jobs.create("train", PARAMS, reserve="mine")
    jobs.create("train", PARAMS, reserve="yours")
    jobs.claim(holder.id, 1)
    with pytest.raises(Conflict):
        jobs.create("train", PARAMS, reserve="mine")
    jobs.finish(holder.id, 1, "succeeded")
    assert jobs.create("train", PARAMS, reserve="mine")[1]


def test_a_cancelled_job_frees_its_name(jobs: JobStore) -> None:
    holder, _ = jobs.create("train", PARAMS, reserve="mine")
    jobs.cancel(holder.id)
    assert jobs.create("train", PARAMS, reserve="mine")[1]


@pytest.mark.parametrize("job_id", ["0" * 32, "nonsense", "../../etc/passwd", "", "é" * 32])
def test_an_unknown_job_is_not_found(jobs: JobStore, job_id: str) -> None:
    for ask in (jobs.get, jobs.cancel, jobs.events):
        with pytest.raises(NotFound):
            ask(job_id)


def test_lists_are_newest_first_filtered_and_paged(jobs: Attempts) -> None:
    made = [jobs.create(kind, PARAMS)[0] for kind in ("train", "evaluate", "train", "augment", "train")]
    jobs.cancel(made[0].id)
    newest_first = [record.id for record in reversed(made)]
    assert [record.id for record in jobs.list()[0]] == newest_first
    first, cursor = jobs.list(limit=2)
    second, cursor = jobs.list(limit=2, cursor=cursor)
    third, end = jobs.list(limit=2, cursor=cursor)
    assert [record.id for record in (*first, *second, *third)] == newest_first
    assert end is None
    assert [record.id for record in jobs.list(kind="train")[0]] == [made[4].id, made[2].id, made[0].id]
    assert [record.id for record in jobs.list(kind="train", status="cancelled")[0]] == [made[0].id]


@pytest.mark.parametrize(("limit", "cursor"), [(0, None), (501, None), (1, "x"), (1, "../")])
def test_a_bad_page_is_refused(jobs: JobStore, limit: int, cursor: str | None) -> None:
    with pytest.raises(InvalidInput):
        jobs.list(limit=limit, cursor=cursor)


def test_a_queued_job_can_be_cancelled_once_and_for_all(jobs: Attempts) -> None:
    record, _ = jobs.create("train", PARAMS)
    cancelled = jobs.cancel(record.id)
    assert cancelled.status == "cancelled"
    assert cancelled.ended_at is not None
    assert jobs.cancel(record.id) == cancelled
    assert jobs.claim(record.id, 1) is None


def test_what_has_ended_otherwise_cannot_be_cancelled(jobs: Attempts) -> None:
    record, _ = jobs.create("train", PARAMS)
    jobs.claim(record.id, 1)
    jobs.finish(record.id, 1, "succeeded", {"model": "m"})
    with pytest.raises(Conflict, match="succeeded"):
        jobs.cancel(record.id)
    assert jobs.get(record.id).result == {"model": "m"}


def test_cancel_and_finish_at_once_have_one_winner(jobs: Attempts) -> None:
    def cancels(job_id: str) -> bool:
        try:
            return jobs.cancel(job_id).status == "cancelled"
        except Conflict:
            return False

    for _ in range(20):
        record, _ = jobs.create("train", PARAMS)
        jobs.claim(record.id, 1)
        with ThreadPoolExecutor(2) as pool:
            cancelled = pool.submit(cancels, record.id)
            finished = pool.submit(jobs.finish, record.id, 1, "succeeded")
        assert cancelled.result() != finished.result()
        assert jobs.get(record.id).status == ("cancelled" if cancelled.result() else "succeeded")
        assert [event.type for event in jobs.events(record.id)].count("end") == 1


def test_counts_tell_jobs_by_kind_and_status(jobs: Attempts) -> None:
    jobs.create("train", PARAMS)
    running, _ = jobs.create("evaluate", PARAMS)
    jobs.claim(running.id, 1)
    jobs.cancel(jobs.create("augment", PARAMS)[0].id)
    counts = jobs.counts()
    assert {key: count for key, count in counts.items() if count} == {
        ("train", "queued"): 1,
        ("evaluate", "running"): 1,
        ("augment", "cancelled"): 1,
    }
    assert set(counts) == set(product(get_args(Kind), get_args(Status)))


def test_unfinished_jobs_are_those_that_wait_or_run(jobs: Attempts) -> None:
    waiting, _ = jobs.create("train", PARAMS)
    running, _ = jobs.create("evaluate", PARAMS)
    jobs.claim(running.id, 1)
    jobs.cancel(jobs.create("augment", PARAMS)[0].id)
    assert [record.id for record in jobs.unfinished()] == [waiting.id, running.id]


@pytest.mark.stores
def test_what_has_ended_survives_an_emptied_redis(jobs: Attempts, settings: Settings) -> None:
    done, _ = jobs.create("train", PARAMS)
    jobs.claim(done.id, 1)
    jobs.finish(done.id, 1, "succeeded", {"model": "m"})
    cancelled, _ = jobs.create("train", PARAMS)
    jobs.cancel(cancelled.id)
    lost, _ = jobs.create("train", PARAMS)
    before = jobs.get(done.id)
    with connect(settings) as redis:
        redis.flushall()
    assert jobs.get(done.id) == before
    assert [record.id for record in jobs.list()[0]] == [cancelled.id, done.id]
    assert [event.type for event in jobs.events(done.id)] == ["end"]
    assert jobs.events(done.id)[0].data["result"] == {"model": "m"}
    with pytest.raises(NotFound):
        jobs.get(lost.id)
    with pytest.raises(Conflict):
        jobs.cancel(done.id)
    assert jobs.cancel(cancelled.id).status == "cancelled"


def test_a_record_that_could_not_be_written_is_written_later(jobs: Attempts, settings: Settings) -> None:
    in_the_way = settings.home / "store" / "jobs"
    in_the_way.write_text("no folder can be made here")
    record, _ = jobs.create("train", PARAMS)
    assert jobs.cancel(record.id).status == "cancelled"
    in_the_way.unlink()
    assert jobs.keep_ended() == 1
    assert jobs.keep_ended() == 0
    with connect(settings) as redis:
        redis.flushall()
    assert jobs.get(record.id).status == "cancelled"


@pytest.mark.stores
def test_what_was_kept_for_a_later_attempt_goes_when_the_job_ends(jobs: Attempts, artefacts: ArtefactStore) -> None:
    record, _ = jobs.create("train", PARAMS)
    artefacts.put(f"jobs/{record.id}/kept/checkpoint.safetensors", b"...")
    jobs.cancel(record.id)
    assert artefacts.files(f"jobs/{record.id}") == ["record.json"]
    assert artefacts.files(f"jobs/{record.id}/kept") == []


def test_an_ended_record_is_not_kept_in_redis_for_ever(jobs: Attempts, settings: Settings) -> None:
    record, _ = jobs.create("train", PARAMS, idempotency_key="one")
    jobs.cancel(record.id)
    with connect(settings) as redis:
        totals = {b"latentaug:ended", b"latentaug:counted"}
        index = {b"latentaug:jobs:train:cancelled", b"latentaug:ends"}
        ours = [key for key in redis.scan_iter("latentaug:*") if key not in totals | index]
        assert ours
        assert all(0 < redis.ttl(key) <= 24 * 3600 for key in ours)


@pytest.mark.stores
def test_a_record_that_an_earlier_version_wrote_can_be_read(jobs: Attempts, artefacts: ArtefactStore) -> None:
    """Its sub-jobs stand there as `children`, the name that callers know."""
    record, _ = jobs.create("evaluate", PARAMS)
    jobs.cancel(record.id)
    stored = json.loads(artefacts.get(f"jobs/{record.id}/record.json"))
    assert stored["children"] is None
    other = f"{int(record.id, 16) + 1:032x}"
    earlier = {**stored, "id": other, "children": {"queued": 0, "running": 0, "done": 3, "failed": 1}}
    artefacts.put(f"jobs/{other}/record.json", json.dumps(earlier).encode())
    assert jobs.get(other).sub_jobs == SubJobs(done=3, failed=1)
    assert jobs.get(other).model_dump(mode="json") == earlier


class TestEvents:
    def test_tell_the_whole_story_in_order(self, jobs: Attempts) -> None:
        record, _ = jobs.create("train", PARAMS)
        jobs.claim(record.id, 1)
        jobs.progress(record.id, 1, 0.5, "epoch 1", 3.0, {"loss": 1.5})
        jobs.finish(record.id, 1, "succeeded", {"model": "m"})
        events = jobs.events(record.id)
        assert [event.type for event in events] == ["progress", "progress", "metrics", "end"]
        assert events[1].data == {"fraction": 0.5, "stage": "epoch 1", "eta_seconds": 3.0}
        assert events[2].data == {"loss": 1.5}
        assert events[3].data["status"] == "succeeded"
        assert [event.id for event in events] == sorted(event.id for event in events)

    def test_resume_after_the_last_one_seen(self, jobs: Attempts) -> None:
        record, _ = jobs.create("train", PARAMS)
        jobs.claim(record.id, 1)
        seen = jobs.events(record.id)
        assert jobs.events(record.id, after=seen[-1].id) == []
        jobs.progress(record.id, 1, 0.5, "epoch 1")
        assert [event.data["fraction"] for event in jobs.events(record.id, after=seen[-1].id)] == [0.5]

    def test_of_an_ended_job_always_close_with_end(self, jobs: Attempts) -> None:
        record, _ = jobs.create("train", PARAMS)
        jobs.cancel(record.id)
        (end,) = jobs.events(record.id)
        assert [event.type for event in jobs.events(record.id, after=end.id)] == ["end"]

    def test_are_capped(self, jobs: Attempts) -> None:
        record, _ = jobs.create("train", PARAMS)
        jobs.claim(record.id, 1)
        for i in range(2300):
            jobs.progress(record.id, 1, i / 2300, "epoch")
        jobs.cancel(record.id)
        events = jobs.events(record.id)
        assert 2000 <= len(events) < 2200
        assert events[-1].type == "end"

    @pytest.mark.parametrize("after", ["", "x", "1", "1-1-1", "-", "(1-1", "9" * 19 + "-1", "1-1\n", "٣-٣"])
    def test_after_something_that_is_no_event_are_refused(self, jobs: JobStore, after: str) -> None:
        record, _ = jobs.create("train", PARAMS)
        with pytest.raises(InvalidInput):
            jobs.events(record.id, after=after)

    def test_after_the_latest_that_can_be_are_none(self, jobs: JobStore) -> None:
        record, _ = jobs.create("train", PARAMS)
        assert jobs.events(record.id, after="9" * 18 + "-" + "9" * 18) == []


def test_ids_sort_by_age(jobs: JobStore) -> None:
    ids = []
    for _ in range(5):
        ids.append(jobs.create("train", PARAMS)[0].id)
        time.sleep(0.001)
    assert ids == sorted(ids)
    assert len(set(ids)) == 5


def test_other_keys_in_the_same_redis_are_left_alone(jobs: Attempts, settings: Settings) -> None:
    with connect(settings) as redis:
        redis.set("theirs", "1")
        jobs.cancel(jobs.create("train", PARAMS)[0].id)
        assert redis.get("theirs") == b"1"
        assert all(key == b"theirs" or key.startswith(b"latentaug:") for key in redis.scan_iter())
