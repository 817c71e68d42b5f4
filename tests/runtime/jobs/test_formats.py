"""Jobs that a newer service has made, as this one meets them during an upgrade or after one was taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from latentaug.errors import Newer
from latentaug.options import EvaluateParams
from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.params import PARAMS as PARAMS_OF
from latentaug.runtime.settings import Settings
from latentaug.storage import formats
from latentaug.storage.objects import ArtefactStore

PARAMS = {"dataset": "digits"}
SAID = r"was written by a newer latentaug \(format 2; this one reads up to 1\): upgrade this service"


@pytest.fixture
def redis(jobs: Attempts, settings: Settings) -> Iterator[Redis]:
    with connect(settings) as redis:
        yield redis


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This release as a later one would be, until `undo` is called."""
    monkeypatch.setattr(formats, "FORMAT", 2)
    return monkeypatch


def listed(jobs: Attempts) -> list[str]:
    return [record.id for record in jobs.list()[0]]


def test_a_waiting_job_is_left_to_a_newer_worker(jobs: Attempts, newer: pytest.MonkeyPatch) -> None:
    record, _ = jobs.create("train", PARAMS)
    newer.undo()
    ours, _ = jobs.create("train", PARAMS)
    for ask in (jobs.get, jobs.events, jobs.cancel):
        with pytest.raises(Newer, match=f"^the record of job {record.id} {SAID}$"):
            ask(record.id)
    assert jobs.claim(record.id, 1) is None
    assert jobs.claim(ours.id, 1) is not None
    assert listed(jobs) == [ours.id]
    assert [job.id for job in jobs.unfinished()] == [ours.id]
    newer.setattr(formats, "FORMAT", 2)
    assert jobs.claim(record.id, 1) is not None
    assert set(listed(jobs)) == {ours.id, record.id}


class Later(EvaluateParams):
    """What a later release may take."""

    classifiers: list[str]
    glow: float = 0.0


@pytest.mark.parametrize("asked", [{"classifiers": ["knn"], "glow": 0.5}, {"classifiers": ["knn", "oracle"]}])
def test_a_job_with_an_option_or_a_choice_of_a_newer_service_waits_for_a_newer_worker(
    jobs: Attempts, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    record, _ = jobs.create("evaluate", {**PARAMS, **asked})
    assert jobs.claim(record.id, 1) is None
    assert jobs.get(record.id).status == "queued", "everybody can read it and cancel it all the same"
    monkeypatch.setitem(PARAMS_OF, "evaluate", Later)
    assert jobs.claim(record.id, 1) is not None
    (sub_job,) = jobs.fan_out(record.id, 1, {"one": {"anything": "of its own"}}, 0.0, 1.0)
    monkeypatch.undo()
    assert jobs.claim(sub_job.id, 1) is None
    monkeypatch.setitem(PARAMS_OF, "evaluate", Later)
    assert jobs.claim(sub_job.id, 1) is not None


def test_a_sub_job_has_the_format_of_its_job(jobs: Attempts, newer: pytest.MonkeyPatch) -> None:
    record, _ = jobs.create("evaluate", PARAMS)
    jobs.claim(record.id, 1)
    (sub_job,) = jobs.fan_out(record.id, 1, {"one": {}}, 0.0, 1.0)
    newer.undo()
    assert jobs.claim(sub_job.id, 1) is None
    newer.setattr(formats, "FORMAT", 2)
    assert jobs.claim(sub_job.id, 1) is not None


def test_an_ended_job_is_refused_and_hides_no_other(
    jobs: Attempts, artefacts: ArtefactStore, redis: Redis, newer: pytest.MonkeyPatch
) -> None:
    ended = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    newer.undo()
    ours = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    redis.flushall()
    assert json.loads(artefacts.get(f"jobs/{ended.id}/record.json"))["format"] == 2
    assert listed(jobs) == [ours.id]
    with pytest.raises(Newer, match=SAID):
        jobs.get(ended.id)


def test_a_record_that_is_not_ours_to_write_holds_up_no_other(
    jobs: Attempts, artefacts: ArtefactStore, redis: Redis, newer: pytest.MonkeyPatch
) -> None:
    theirs = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    newer.undo()
    ours = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    for record in (theirs, ours):
        artefacts.delete(f"jobs/{record.id}/record.json")
        redis.sadd(key("unstored"), record.id)
    assert jobs.keep_ended() == 1
    assert redis.smembers(key("unstored")) == {theirs.id.encode()}
    assert artefacts.exists(f"jobs/{ours.id}/record.json")


def test_an_index_of_a_newer_service_is_refused_and_one_of_an_older_made_anew(
    jobs: Attempts, redis: Redis, newer: pytest.MonkeyPatch
) -> None:
    ended = jobs.cancel(jobs.create("train", PARAMS)[0].id)
    assert listed(jobs) == [ended.id]
    assert redis.get(key("indexed")) == b"2"
    newer.undo()
    with pytest.raises(Newer, match=f"^the index of jobs {SAID}$"):
        jobs.list()
    redis.set(key("indexed"), 1)
    jobs.list()
    newer.setattr(formats, "FORMAT", 2)
    assert listed(jobs) == [ended.id]
    assert redis.get(key("indexed")) == b"2"


def test_what_a_newer_service_has_added_is_passed_over(jobs: Attempts, artefacts: ArtefactStore, redis: Redis) -> None:
    record, _ = jobs.create("train", PARAMS)
    redis.hset(key("job", record.id), "colour", "blue")
    redis.hset(key("job", record.id), "progress", json.dumps({"fraction": 0.5, "stage": "here", "watts": 3}))
    assert jobs.get(record.id).progress.fraction == 0.5
    ended = jobs.cancel(record.id)
    path = f"jobs/{record.id}/record.json"
    artefacts.put(path, json.dumps({**json.loads(artefacts.get(path)), "colour": "blue"}).encode())
    redis.flushall()
    assert jobs.get(record.id) == ended
