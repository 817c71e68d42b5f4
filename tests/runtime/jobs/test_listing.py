"""Lists are read from an index, so that they cost the same however many jobs have ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from redis import Redis

from latentaug.errors import Away, Unavailable
from latentaug.runtime.jobs import ENDS, KINDS, Attempts, JobRecord, SubJobs, connect, index, reader
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

PARAMS = {"dataset": "digits"}
FIRST = 0x0190_0000_0000_7000_8000_0000_0000_0000


class CountingStore(ArtefactStore):
    """Counts what is asked of the store."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: Counter[str] = Counter()

    def get(self, path: str) -> bytes:
        self.asked["get"] += 1
        return super().get(path)

    def folders(self, prefix: str) -> list[str]:
        self.asked["folders"] += 1
        return super().folders(prefix)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with connect(settings) as redis:
        yield redis


@pytest.fixture
def store(settings: Settings) -> CountingStore:
    return CountingStore(settings.resolved_store_url)


@pytest.fixture
def jobs(redis: Redis, store: CountingStore, settings: Settings) -> Attempts:
    redis.flushall()
    return Attempts(redis, store, settings)


def put_ended(store: ArtefactStore, number: int) -> list[JobRecord]:
    """Jobs as they lie in the store long after their ends, newest first; one in six is a train job that succeeded."""
    long_ago = datetime.now(UTC) - timedelta(days=3)
    records = [
        JobRecord(
            id=f"{FIRST + i:032x}",
            kind=KINDS[i % 3],
            status=ENDS[i % 2],
            created_at=long_ago,
            ended_at=long_ago,
            params={**PARAMS},
        )
        for i in range(number)
    ]
    for record in records:
        store.put(f"jobs/{record.id}/record.json", record.model_dump_json().encode())
    return records[::-1]


def test_20_of_2000_ended_jobs_are_listed_with_21_reads(jobs: Attempts, store: CountingStore) -> None:
    records = put_ended(store, 2000)
    jobs.complete_index()
    for wanted, expected in (
        ({}, records),
        ({"kind": "train"}, [record for record in records if record.kind == "train"]),
        ({"status": "failed"}, [record for record in records if record.status == "failed"]),
        (
            {"kind": "train", "status": "succeeded"},
            [record for record in records if (record.kind, record.status) == ("train", "succeeded")],
        ),
    ):
        cursor: str | None = None
        for page in range(3):
            store.asked.clear()
            found, cursor = jobs.list(limit=20, cursor=cursor, **wanted)  # type: ignore[arg-type]
            assert found == expected[20 * page : 20 * (page + 1)]
            assert store.asked == {"get": 21}
            assert cursor == found[-1].id


def test_the_last_page_has_no_cursor_however_full_it_is(jobs: Attempts, store: CountingStore) -> None:
    records = put_ended(store, 6)
    assert jobs.list(limit=6) == (records, None)
    found, cursor = jobs.list(limit=4)
    assert jobs.list(limit=4, cursor=cursor) == (records[4:], None)
    assert jobs.list(limit=2, cursor=records[3].id) == (records[4:], None)
    assert found == records[:4]


@pytest.mark.stores
def test_the_index_is_rebuilt_once_where_redis_was_emptied(jobs: Attempts, redis: Redis, store: CountingStore) -> None:
    ended = put_ended(store, 30)
    waiting, _ = jobs.create("train", PARAMS)
    assert jobs.list()[0] == [waiting, *ended]
    assert store.asked["folders"] == 1
    redis.flushall()
    assert jobs.list()[0] == ended
    assert jobs.list(limit=1)[0] == ended[:1]
    assert store.asked["folders"] == 2


def test_several_who_list_at_once_have_the_index_rebuilt_once(jobs: Attempts, store: CountingStore) -> None:
    ended = put_ended(store, 30)
    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(lambda _: jobs.list()[0], range(8))) == [ended] * 8
    assert store.asked["folders"] == 1


def test_a_list_waits_only_for_a_moment_while_another_has_the_index_rebuilt(
    jobs: Attempts, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = put_ended(store, 3)
    monkeypatch.setattr(reader, "PATIENCE", 0.1)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(prefix: str) -> list[str]:
        begun.set()
        assert go_on.wait(30)
        return ArtefactStore.folders(store, prefix)

    monkeypatch.setattr(store, "folders", slowly)
    with ThreadPoolExecutor(1) as other:
        listed = other.submit(jobs.list)
        assert begun.wait(30)
        with pytest.raises(Unavailable, match="index") as refused:
            jobs.list()
        assert refused.value.retry_after is not None
        go_on.set()
        assert listed.result() == (ended, None)
    assert jobs.list() == (ended, None)


def test_a_rebuild_that_breaks_off_goes_on_where_it_was(
    jobs: Attempts, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = put_ended(store, 30)
    monkeypatch.setattr(index, "_BATCH", 10)
    late = ended[4].id

    def away(path: str) -> bytes:
        if late in path:
            raise Away("the store is away")
        return CountingStore.get(store, path)

    with monkeypatch.context() as broken:
        broken.setattr(store, "get", away)
        with pytest.raises(Away):
            jobs.list()
    store.asked.clear()
    jobs.complete_index()
    assert store.asked["get"] == 10, "the first twenty are in the index"
    assert jobs.list()[0] == ended


def test_redis_may_be_emptied_once_more_while_the_index_is_rebuilt(
    jobs: Attempts, redis: Redis, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = put_ended(store, 30)
    monkeypatch.setattr(index, "_BATCH", 10)
    last = ended[0].id

    def emptied(path: str) -> bytes:
        if last in path and store.asked["emptied"] == 0:
            store.asked["emptied"] += 1
            redis.flushall()
        return CountingStore.get(store, path)

    monkeypatch.setattr(store, "get", emptied)
    assert jobs.list()[0] == ended
    assert store.asked["emptied"] == 1


def test_records_in_redis_are_looked_through_only_until_the_index_is_complete(jobs: Attempts, redis: Redis) -> None:
    jobs.create("train", PARAMS)
    scans = []
    for _ in range(2):
        redis.config_resetstat()
        jobs.complete_index()
        scans.append("cmdstat_scan" in cast("dict[str, object]", redis.info("commandstats")))
    assert scans == [True, False]


@pytest.mark.stores
def test_what_was_put_into_the_store_later_is_listed_once_the_index_was_completed(
    jobs: Attempts, store: CountingStore
) -> None:
    assert jobs.list()[0] == []
    ended = put_ended(store, 3)
    jobs.complete_index()
    assert jobs.list()[0] == ended
    store.asked.clear()
    jobs.complete_index()
    assert store.asked["get"] == 0, "it reads only what it lacks"


@pytest.mark.stores
def test_a_job_in_redis_counts_for_more_than_its_folder(jobs: Attempts, redis: Redis) -> None:
    waiting, _ = jobs.create("train", PARAMS)
    running, _ = jobs.create("train", PARAMS)
    jobs.claim(running.id, 1)
    ended = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    for name in redis.scan_iter("latentaug:jobs:*"):
        redis.delete(name)  # as an earlier version left Redis, which had no index
    redis.delete("latentaug:indexed", "latentaug:ends")
    for status, expected in (("queued", waiting.id), ("running", running.id), ("cancelled", ended.id)):
        assert [record.id for record in jobs.list(status=status)[0]] == [expected]  # type: ignore[arg-type]
    assert [record.id for record in jobs.unfinished()] == [waiting.id, running.id]


def test_a_job_that_an_earlier_version_has_split_goes_on(jobs: Attempts, redis: Redis) -> None:
    record, _ = jobs.create("evaluate", PARAMS)
    jobs.claim(record.id, 1)
    first, second = jobs.fan_out(record.id, 1, {"a": {}, "b": {}}, 0, 1)
    # As an earlier version left Redis: sub-jobs in sets of another name, and no index.
    redis.delete(f"latentaug:sub-jobs:{record.id}:queued", "latentaug:jobs:evaluate:running")
    redis.sadd(f"latentaug:children:{record.id}:queued", first.id, second.id)
    redis.hdel(f"latentaug:job:{record.id}", "sub_jobs")
    redis.hset(f"latentaug:job:{record.id}", "children", '{"queued":2,"running":0,"done":0,"failed":0}')
    jobs.claim(first.id, 1)
    jobs.complete_index()
    assert jobs.get(record.id).sub_jobs == SubJobs(queued=1, running=1)
    assert [sub_job.id for sub_job in jobs.unfinished_with_sub_jobs()] == [record.id, first.id, second.id]
    jobs.finish(first.id, 1, "succeeded", {})
    assert jobs.get(record.id).attempt == 1
    jobs.claim(second.id, 1)
    jobs.finish(second.id, 1, "succeeded", {})
    assert (jobs.get(record.id).status, jobs.get(record.id).attempt) == ("queued", 2)
    assert not list(redis.scan_iter("latentaug:children:*"))


@pytest.mark.stores
def test_one_damaged_record_does_not_hide_the_others(jobs: Attempts, store: CountingStore) -> None:
    newest, damaged, oldest = put_ended(store, 3)
    jobs.complete_index()
    store.put(f"jobs/{damaged.id}/record.json", b"{}")
    assert jobs.list()[0] == [newest, oldest]
    assert jobs.list(limit=1) == ([newest], newest.id)
    assert jobs.list(limit=1, cursor=newest.id) == ([oldest], None)
