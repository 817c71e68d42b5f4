"""Jobs over real HTTP with a real Valkey; the tests themselves act as the worker."""

from __future__ import annotations

import re
from typing import Any

import httpx
import numpy as np
import pytest
from rq import Queue

from latentaug.runtime.jobs import Attempts, JobError, connect
from tests.api import services
from tests.api.bodies import NPZ, events, npz, pictures, post, train
from tests.api.services import Home

JOBS = "/v1/jobs"
pytestmark = pytest.mark.usefixtures("empty_redis")
FORMS = {"json": "application/json", "csv": "text/csv", "md": "text/markdown", "png": "image/png"}


def waiting(home: Home, queue: str) -> list[str]:
    with connect(home.settings) as redis:
        return [str(job_id) for job_id in Queue(queue, connection=redis, serializer="json").job_ids]


def test_a_job_is_accepted_recorded_and_queued_with_its_defaults(api: httpx.Client, home: Home) -> None:
    answer = train(api, epochs=3)

    record = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{JOBS}/{record['id']}"
    assert (record["kind"], record["status"], record["progress"]["fraction"]) == ("train", "queued", 0)
    assert (record["params"]["epochs"], record["params"]["architecture"]) == (3, "auto")
    assert record["created_at"].endswith("Z")
    assert record["started_at"] is record["ended_at"] is record["result"] is record["error"] is None
    assert api.get(answer.headers["location"]).json() == record
    assert waiting(home, "train") == [f"{record['id']}-1"]


@pytest.mark.parametrize("kind", ["evaluate", "augment"])
def test_other_kinds_have_queues_of_their_own(api: httpx.Client, home: Home, kind: str) -> None:
    params = {"dataset": "digits"} if kind == "evaluate" else {"dataset": "digits", "model": "eight"}

    answer = api.post(f"{JOBS}/{kind}", json=params)

    assert answer.status_code == 202, answer.text
    assert waiting(home, kind) == [f"{answer.json()['id']}-1"]


@pytest.mark.parametrize(
    ("kind", "params", "status", "location"),
    [
        ("train", {"dataset": "digits", "epochs": 0}, 422, "epochs"),
        ("train", {"dataset": "digits", "epoch": 5}, 422, "epoch"),
        ("train", {}, 422, "dataset"),
        ("train", {"dataset": "../x"}, 422, "dataset"),
        ("train", {"dataset": "nothing"}, 404, None),
        ("evaluate", {"dataset": "nothing"}, 404, None),
        ("evaluate", {"dataset": "digits", "classifiers": ["tree"]}, 422, "classifiers.0"),
        ("evaluate", {"dataset": "digits", "model": "nobody"}, 404, None),
        ("augment", {"dataset": "digits", "model": "nobody"}, 404, None),
        ("augment", {"dataset": "nothing", "model": "tiny"}, 404, None),
        ("augment", {"dataset": "digits"}, 422, "model"),
        ("recommend", {"dataset": "nothing"}, 404, None),
        ("recommend", {"dataset": "digits", "model": "nobody"}, 404, None),
        ("recommend", {"dataset": "digits", "classifiers": ["tree"]}, 422, "classifiers.0"),
        ("recommend", {"dataset": "digits", "budget_seconds": 0}, 422, "budget_seconds"),
    ],
)
def test_a_wrong_job_is_refused_at_once(
    api: httpx.Client, kind: str, params: dict[str, Any], status: int, location: str | None
) -> None:
    answer = api.post(f"{JOBS}/{kind}", json=params)

    assert answer.status_code == status, answer.text
    assert location is None or location in {field["loc"] for field in answer.json()["errors"]}


@pytest.mark.parametrize("kind", ["train", "evaluate", "augment", "label", "recommend"])
def test_a_job_takes_nothing_from_the_query_string(api: httpx.Client, kind: str) -> None:
    answer = api.post(f"{JOBS}/{kind}?epochs=2", json={"dataset": "digits", "model": "eight"})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": "epochs", "msg": "no such option; there are none here"}]


def test_an_unknown_parameter_is_answered_with_those_there_are(api: httpx.Client) -> None:
    outer = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight", "metod": "noise"})
    nested = api.post(f"{JOBS}/evaluate", json={"dataset": "digits", "affine": {"skew": 1}})

    assert re.search(r"no such option; there are .*\bmethod\b.*\bdataset\b", outer.json()["detail"])
    assert nested.json()["errors"] == [
        {"loc": "affine.skew", "msg": "no such option; there are shift, rotation, scale, shear"}
    ]


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 422), (b"{}", "text/plain", 415)],
)
def test_a_body_that_is_no_json_object_is_refused(api: httpx.Client, body: bytes, form: str, status: int) -> None:
    assert api.post(f"{JOBS}/train", content=body, headers={"Content-Type": form}).status_code == status


@pytest.mark.parametrize("body", [b'{"dataset": "' + b"x" * 2**20 + b'"}', b'{"x": [' + b"[]," * 10_000 + b"[]]}"])
def test_a_body_of_too_many_bytes_or_values_is_refused(api: httpx.Client, body: bytes) -> None:
    answer = api.post(f"{JOBS}/train", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("body", [b"{", b'{"dataset": "\xff"}', b"[" * 5_000 + b"]" * 5_000, b""])
def test_a_body_that_is_no_json_is_malformed(api: httpx.Client, body: bytes) -> None:
    answer = api.post(f"{JOBS}/train", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")


def test_all_that_is_wrong_is_told_at_once_wherever_it_stands(api: httpx.Client) -> None:
    answer = train(api, "no key", epochs=0, epoch=1)

    assert [field["loc"] for field in answer.json()["errors"]] == ["idempotency-key", "epochs", "epoch"]
    assert re.search(r"no such option; there are .*\bbeta\b.*\bdataset\b", answer.json()["detail"])


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets/digits/images", "/v1/models/colour/projection"])
def test_an_option_in_the_query_string_is_given_once(api: httpx.Client, path: str) -> None:
    answer = api.get(f"{path}?limit=2&limit=3")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": "limit", "msg": "given twice"}]


def test_a_repeated_key_gives_the_first_job(api: httpx.Client, home: Home) -> None:
    first, again = train(api, "key-1", epochs=2), train(api, "key-1", epochs=2)
    other_request, other_key = train(api, "key-1", epochs=3), train(api, "key-2", epochs=2)

    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert other_request.status_code == 409
    assert other_key.json()["id"] != first.json()["id"]
    assert len(waiting(home, "train")) == 2


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
def test_a_key_that_is_none_is_refused(api: httpx.Client, key: str) -> None:
    assert train(api, key).status_code == 422


def test_a_name_is_taken_by_a_model_or_by_an_unfinished_job(api: httpx.Client, worker: Attempts) -> None:
    by_model, by_model_with_key = train(api, name="tiny"), train(api, "key", name="tiny")
    first, by_job = train(api, name="coming"), train(api, name="coming")
    api.delete(first.headers["location"])
    freed = train(api, name="coming")

    assert [answer.status_code for answer in (by_model, by_model_with_key)] == [409, 409]
    assert (first.status_code, by_job.status_code, freed.status_code) == (202, 409, 202)
    assert first.json()["id"] in by_job.json()["detail"]
    assert [record.params["name"] for record in worker.unfinished()] == ["coming"]


def test_a_key_still_gives_its_job_when_that_has_made_the_model(
    api: httpx.Client, home: Home, worker: Attempts
) -> None:
    first = train(api, "key", name="made")
    worker.claim(first.json()["id"], 1)
    services.save_model(home.store, "made", 8, 8, 1)
    worker.finish(first.json()["id"], 1, "succeeded", {})

    again = train(api, "key", name="made")

    assert again.status_code == 202
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "succeeded")
    assert train(api, "another", name="made").status_code == 409
    api.delete("/v1/models/made")


def test_a_full_queue_says_when_to_come_back(api: httpx.Client) -> None:
    answers = [train(api) for _ in range(51)]

    assert {answer.status_code for answer in answers[:50]} == {202}
    assert answers[50].status_code == 429
    assert answers[50].json()["code"] == "too_many_requests"
    assert int(answers[50].headers["retry-after"]) >= 1


def test_jobs_are_listed_newest_first_filtered_and_in_pages(api: httpx.Client, worker: Attempts) -> None:
    ids = [train(api).json()["id"] for _ in range(5)]
    worker.claim(ids[0], 1)

    def page(**query: Any) -> dict[str, Any]:
        answer = api.get(JOBS, params={"kind": "train", **query})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    first = page(limit=3, status="queued")
    second = page(limit=3, status="queued", cursor=first["next"])
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[:0:-1]
    assert second["next"] is None
    assert [job["id"] for job in page(status="running")["jobs"]] == ids[:1]


@pytest.mark.parametrize("query", [{"kind": "x"}, {"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"state": "queued"}])
def test_a_wrong_filter_is_refused(api: httpx.Client, query: dict[str, Any]) -> None:
    answer = api.get(JOBS, params=query)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == next(iter(query))


@pytest.mark.parametrize("path", ["", "/result", "/events"])
@pytest.mark.parametrize("job", ["0" * 32, "nothing"])
def test_an_unknown_job_is_not_found(api: httpx.Client, job: str, path: str) -> None:
    assert api.get(f"{JOBS}/{job}{path}").json()["code"] == "not_found"


def test_results_come_in_the_form_that_is_accepted(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job = api.post(f"{JOBS}/evaluate", json={"dataset": "digits"}).json()["id"]
    worker.claim(job, 1)
    for suffix, name in (("json", "result"), ("csv", "report"), ("md", "report"), ("png", "report")):
        home.store.put(f"jobs/{job}/{name}.{suffix}", suffix.encode())
    worker.finish(job, 1, "succeeded", {"verdict": "helps"})

    got = {suffix: api.get(f"{JOBS}/{job}/result", headers={"Accept": form}) for suffix, form in FORMS.items()}

    assert {suffix: answer.content for suffix, answer in got.items()} == {suffix: suffix.encode() for suffix in FORMS}
    assert {suffix: answer.headers["content-type"].split(";")[0] for suffix, answer in got.items()} == FORMS
    assert api.get(f"{JOBS}/{job}/result").content == b"json"
    assert api.get(f"{JOBS}/{job}/result", headers={"Accept": NPZ}).status_code == 406


def test_a_figure_is_asked_for_by_name(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job = api.post(f"{JOBS}/evaluate", json={"dataset": "digits"}).json()["id"]
    worker.claim(job, 1)
    home.store.put(f"jobs/{job}/figures/generation.png", b"seven")
    worker.finish(job, 1, "succeeded", {"verdict": "helps"})
    result = f"{JOBS}/{job}/result"

    drawn = api.get(result, params={"figure": "generation"})
    undrawn = api.get(result, params={"figure": "gain-by-copies"})

    assert (drawn.content, drawn.headers["content-type"]) == (b"seven", "image/png")
    assert undrawn.status_code == 404
    assert "figure 'gain-by-copies'" in undrawn.json()["detail"]
    assert api.get(result, params={"figure": "../result"}).status_code == 422
    assert api.get(result, params={"figure": "generation"}, headers={"Accept": "text/csv"}).status_code == 406


def test_the_quality_of_an_augment_job_is_a_picture_or_numbers(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    for name, content in (("quality.png", b"picture"), ("quality.json", b"{}"), ("report.png", b"sheet")):
        home.store.put(f"jobs/{job}/{name}", content)
    worker.finish(job, 1, "succeeded", {"images": 3})
    result = f"{JOBS}/{job}/result"

    picture = api.get(result, params={"figure": "quality"})
    numbers = api.get(result, params={"figure": "quality"}, headers={"Accept": "application/json"})

    assert (picture.content, picture.headers["content-type"]) == (b"picture", "image/png")
    assert (numbers.content, numbers.headers["content-type"]) == (b"{}", "application/json")
    assert api.get(result, headers={"Accept": "image/png"}).content == b"sheet"
    assert api.get(result, params={"figure": "quality"}, headers={"Accept": "text/csv"}).status_code == 406


def test_evaluations_are_drawn_beside_ended_ones_of_their_data_set(api: httpx.Client, worker: Attempts) -> None:
    evaluation = {"dataset": "digits"}
    job = api.post(f"{JOBS}/evaluate", json=evaluation).json()["id"]
    unfinished = api.post(f"{JOBS}/evaluate", json={**evaluation, "beside": [job]})
    worker.claim(job, 1)
    worker.finish(job, 1, "succeeded", {})

    assert unfinished.status_code == 409
    assert api.post(f"{JOBS}/evaluate", json={**evaluation, "beside": [job]}).status_code == 202
    assert api.post(f"{JOBS}/evaluate", json={**evaluation, "beside": ["../x"]}).status_code == 422


def test_an_augment_jobs_images_are_its_result(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    home.store.put(f"jobs/{job}/images.npz", b"npz")
    worker.finish(job, 1, "succeeded", {})

    assert api.get(f"{JOBS}/{job}/result", headers={"Accept": NPZ}).content == b"npz"
    assert api.get(f"{JOBS}/{job}/result", headers={"Accept": "application/zip"}).status_code == 404


def test_without_success_there_is_no_result_and_the_answer_says_why(api: httpx.Client, worker: Attempts) -> None:
    job = train(api).json()["id"]
    queued = api.get(f"{JOBS}/{job}/result")
    worker.claim(job, 1)
    running = api.get(f"{JOBS}/{job}/result")
    worker.finish(job, 1, "failed", None, JobError(code="too_few_images", detail="only one image"))
    failed = api.get(f"{JOBS}/{job}/result")

    assert {answer.status_code for answer in (queued, running, failed)} == {409}
    assert "queued" in queued.json()["detail"]
    assert "running" in running.json()["detail"]
    assert int(running.headers["retry-after"]) >= 1
    assert "too_few_images" in failed.json()["detail"]
    assert "only one image" in failed.json()["detail"]
    assert "retry-after" not in failed.headers


def test_what_has_ended_survives_an_emptied_redis(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job = train(api).json()["id"]
    worker.claim(job, 1)
    home.store.put(f"jobs/{job}/result.json", b"{}")
    worker.finish(job, 1, "succeeded", {"epochs": 3})

    with connect(home.settings) as redis:
        redis.flushall()

    assert api.get(f"{JOBS}/{job}").json()["result"] == {"epochs": 3}
    assert api.get(f"{JOBS}/{job}/result").json() == {}
    assert [event["event"] for event in events(api, job)] == ["end"]


def test_a_waiting_and_a_running_job_are_cancelled(api: httpx.Client, worker: Attempts) -> None:
    waits, runs, ended = (train(api).json()["id"] for _ in range(3))
    worker.claim(runs, 1)
    worker.claim(ended, 1)
    worker.finish(ended, 1, "succeeded", {})

    answers = [api.delete(f"{JOBS}/{job}") for job in (waits, runs, runs, ended)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 409]
    assert [answer.json()["status"] for answer in answers[:3]] == ["cancelled"] * 3
    assert not worker.renew(runs, 1)
    assert api.get(f"{JOBS}/{runs}/result").status_code == 409


def test_an_ended_job_is_deleted_unless_another_needs_it(api: httpx.Client, home: Home, worker: Attempts) -> None:
    job, runs = (train(api).json()["id"] for _ in range(2))
    beside = api.post(f"{JOBS}/evaluate", json={"dataset": "digits"}).json()["id"]
    for each in (job, beside, runs):
        worker.claim(each, 1)
    for each in (job, beside):
        home.store.put(f"jobs/{each}/result.json", b"{}")
        worker.finish(each, 1, "succeeded", {})
    needing = api.post(f"{JOBS}/evaluate", json={"dataset": "digits", "beside": [beside]}).json()["id"]

    answers = [api.delete(f"{JOBS}/{each}/record") for each in (job, job, runs, beside)]

    assert [answer.status_code for answer in answers] == [204, 404, 409, 409]
    assert answers[1].json()["missing"] == {"list": "jobs", "name": job}
    assert "cancel it first" in answers[2].json()["detail"]
    assert needing in answers[3].json()["detail"]
    assert api.get(f"{JOBS}/{job}").status_code == api.get(f"{JOBS}/{job}/result").status_code == 404
    assert job not in [record["id"] for record in api.get(JOBS).json()["jobs"]]
    assert not list(home.store.folders(f"jobs/{job}"))
    assert not home.store.exists(f"jobs/{job}/result.json")


def test_a_data_set_in_use_is_not_deleted(api: httpx.Client) -> None:
    post(api, "/v1/datasets", npz(images=pictures(8), labels=np.arange(8) % 2), NPZ, "*/*", name="busy")
    job = train(api, dataset="busy").json()["id"]

    in_use = api.delete("/v1/datasets/busy")
    api.delete(f"{JOBS}/{job}")
    freed = api.delete("/v1/datasets/busy")

    assert (in_use.status_code, freed.status_code) == (409, 204)
    assert job in in_use.json()["detail"]
