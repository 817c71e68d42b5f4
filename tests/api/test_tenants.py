"""Tenants: to a second tenant's key nothing of the first one's exists, whatever endpoint it asks.

The requests are made from the OpenAPI document, so that an endpoint or a field that is new, and that nobody has thought
of here, makes these tests fail.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.settings import Settings
from latentaug.storage import tenants
from tests.api import services
from tests.api.bodies import NPZ, base64_png, npz, pictures, post
from tests.api.contract import Operation, operations
from tests.api.services import Home

ALL = "infer+train+admin"
KEYS = f"one:{ALL}@first,uno:{ALL}@first,two:{ALL}@second,alone:{ALL},boss:{ALL}@*"

NAMES = {
    "path.dataset": "dataset",
    "path.model": "model",
    "path.job": "evaluate",
    "body.dataset": "dataset",
    "body.model": "model",
    "body.beside": "evaluate",
    "body.recipe": "recommend",
    "body.recipe.model": "model",
}
"""Where a request names something that is somebody's, and what it is."""
NAMES_NOTHING = {
    *("body.images", "body.labels", "body.webhook", "body.balance", "body.name"),
    *("query.balance", "query.name", "query.size", "query.rows", "query.label", "query.cursor"),
    *("header.idempotency-key", "header.last-event-id"),
}
"""Texts by which nobody reaches what is somebody else's; of names to be, and of keys and cursors, tests below tell."""

IMAGES = pictures(6, 8, 8)
PNGS = [base64_png(image) for image in IMAGES]
RECIPE: dict[str, Any] = {
    "model": "{model}",
    "spread": None,
    "parts": [{"source": "affine", "copies": 1, "alpha": None, "decode": None}],
    "seed": 1,
}
BODIES: dict[str, list[dict[str, Any]]] = {
    "augment": [{"images": PNGS, "k": 2}],
    "encode": [{"images": PNGS}],
    "decode": [{"latents": [[0.0] * 4]}],
    "interpolate": [{"images": PNGS[:2]}],
    "label": [{"images": PNGS, "labels": ["cat", "cat", "dog", "dog", None, None]}],
    "quality": [{"images": PNGS}],
    "submit_train": [{"dataset": "{dataset}"}],
    "submit_evaluate": [{"dataset": "{dataset}", "model": ["{model}"], "beside": ["{evaluate}"], "labelled": 4}],
    "submit_augment": [
        {"dataset": "{dataset}", "model": "{model}"},
        {"dataset": "{dataset}", "recipe": "{recommend}"},
        {"dataset": "{dataset}", "recipe": RECIPE},
    ],
    "submit_label": [{"dataset": "{dataset}", "model": "{model}"}],
    "submit_recommend": [{"dataset": "{dataset}", "model": "{model}"}],
}
"""Bodies that are accepted, by operation, with a word in braces where something is named."""
LISTS = {"list_datasets", "list_models", "list_jobs"}
"""Operations that show what the caller has."""
MAKES = {"upload_dataset"}
"""Operations that make something of a name that is free to the caller."""
OF_SHARDS = {"upload_shard", "list_shards", "join_shards", "delete_shards"}
"""Operations on a data set that does not exist yet; a test of their own tries them."""
EVERYBODYS = {"healthz", "readyz"}
OF_WHO_RUNS_IT = {"metrics", "model_server_metrics"}
"""Operations that show what all tenants have together."""


@dataclass(frozen=True)
class Tenant:
    """A tenant's client, and what it has: each thing's name or id by what it is."""

    client: httpx.Client
    has: dict[str, str]


@dataclass(frozen=True)
class Case:
    """A request that names one thing at one place, and whatever else it names."""

    operation: Operation
    place: str
    body: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.operation.method} {self.operation.path} {self.place}"

    def asked(self, by: Tenant, naming: Tenant) -> httpx.Response:
        """Ask, naming at the place what the other tenant has, and elsewhere what the caller has itself."""
        path = self.operation.path
        for place, what in NAMES.items():
            where, _, name = place.partition(".")
            if where == "path":
                path = path.replace(f"{{{name}}}", (naming if place == self.place else by).has[what])
        body = None if self.body is None else _filled(self.body, "body", self.place, by, naming)
        return by.client.request(self.operation.method, path, json=body)


def _filled(value: Any, place: str, chosen: str, by: Tenant, naming: Tenant) -> Any:
    """A body with names in place of the words in braces."""
    if isinstance(value, dict):
        return {name: _filled(each, f"{place}.{name}", chosen, by, naming) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, place, chosen, by, naming) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return (naming if place == chosen else by).has[value[1:-1]]
    return value


def _named(value: Any, place: str) -> set[str]:
    """The places at which a body names something."""
    if isinstance(value, dict):
        return set().union(*(_named(each, f"{place}.{name}") for name, each in value.items()))
    if isinstance(value, list):
        return set().union(*(_named(each, place) for each in value))
    return {place} if isinstance(value, str) and value.startswith("{") else set()


def _cases(document: dict[str, Any]) -> Iterator[Case]:
    for operation in operations(document):
        if operation.id in OF_SHARDS:
            continue
        places = [place for place in operation.texts if place in NAMES]
        bodies: list[dict[str, Any] | None] = [None, *BODIES.get(operation.id, [])]
        for place, body in itertools.product(places, bodies):
            if body is None and operation.method == "POST":
                continue
            if place.startswith("path.") or place in _named(body, "body"):
                yield Case(operation, place, body)


@pytest.fixture(scope="module")
def house() -> Iterator[Home]:
    with services.home() as made:
        yield made


@pytest.fixture(scope="module")
def served(house: Home) -> Iterator[httpx.Client]:
    """An API with tenants; its client sends no key."""
    with services.model_server(house), services.api(house, api_keys=KEYS, tenants=True) as client:
        services.wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def client_of(served: httpx.Client, key: str) -> httpx.Client:
    return httpx.Client(base_url=served.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


@pytest.fixture(scope="module")
def first(served: httpx.Client, house: Home) -> Iterator[Tenant]:
    with client_of(served, "one") as client:
        yield Tenant(client, furnished(client, house, "first"))


@pytest.fixture(scope="module")
def second(served: httpx.Client, house: Home) -> Iterator[Tenant]:
    with client_of(served, "two") as client:
        yield Tenant(client, furnished(client, house, "second"))


@pytest.fixture
def boss(served: httpx.Client) -> Iterator[httpx.Client]:
    """A client with the key of who runs the service."""
    with client_of(served, "boss") as client:
        yield client


@pytest.fixture(scope="module")
def document(served: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = served.get("/openapi.json").json()
    return found


def furnished(client: httpx.Client, house: Home, tenant: str) -> dict[str, str]:
    """Give a tenant a data set, a model of it, and jobs that have succeeded."""
    has = {"dataset": f"things-of-{tenant}", "model": f"model-of-{tenant}"}
    upload(client, has["dataset"])
    part = tenants.of(house.store, tenant)
    services.save_model(part, has["model"], 8, 8, 1, dataset=has["dataset"])
    recipe = {**RECIPE, "model": has["model"]}
    for kind, params, result in (
        ("evaluate", {"labelled": 4}, {}),
        ("recommend", {}, {"recipe": recipe}),
    ):
        job: str = client.post(f"/v1/jobs/{kind}", json={"dataset": has["dataset"], **params}).json()["id"]
        house.store.put(f"jobs/{job}/result.json", f'"of {tenant}"'.encode())
        with connect(house.settings) as redis:
            attempts = Attempts(redis, house.store, house.settings)
            attempts.claim(job, 1)
            assert attempts.finish(job, 1, "succeeded", result)
        has[kind] = job
    return has


def upload(client: httpx.Client, name: str, images: int = 24) -> httpx.Response:
    labels = np.array((["cat", "dog"] * images)[: images - 6] + [""] * 6)
    answer = post(client, "/v1/datasets", npz(images=pictures(images, 8, 8), labels=labels), NPZ, "*/*", name=name)
    assert answer.status_code == 201, answer.text
    return answer


# Every endpoint, from the document.


def test_every_text_that_a_request_may_hold_is_known_here(document: dict[str, Any]) -> None:
    """One that is not may name something: say in NAMES what, or in NAMES_NOTHING that it does not."""
    texts = {place for operation in operations(document) for place in operation.texts}

    assert texts <= NAMES.keys() | NAMES_NOTHING


def test_every_operation_is_tried(document: dict[str, Any]) -> None:
    """One that is new is tried where it names something; otherwise say here what it shows or makes."""
    tried = {(case.operation.id, case.place) for case in _cases(document)}
    told = LISTS | MAKES | EVERYBODYS | OF_WHO_RUNS_IT

    for operation in operations(document):
        if operation.id in OF_SHARDS:
            continue
        naming = {place for place in operation.texts if place in NAMES}
        assert naming or operation.id in told, operation
        assert {(operation.id, place) for place in naming} <= tried, f"{operation} needs a body in BODIES"


def test_what_the_first_tenant_has_does_not_exist_for_the_second(
    document: dict[str, Any], first: Tenant, second: Tenant, boss: httpx.Client
) -> None:
    cases = list(_cases(document))
    assert len(cases) > 25
    deletions = [case for case in cases if case.operation.method == "DELETE"]
    others = [case for case in cases if case not in deletions]

    for case in cases:
        refused = case.asked(second, naming=first)
        assert refused.status_code == 404, f"{case}: {refused.text}"
        assert refused.json()["code"] == "not_found", case
    for case in others:
        for tenant in (first, second):
            # Or the 404 above was for another reason.
            answered = case.asked(tenant, naming=tenant)
            assert answered.status_code in (200, 202), f"{case}: {answered.text}"
    for job in boss.get("/v1/jobs", params={"status": "queued"}).json()["jobs"]:
        boss.delete(f"/v1/jobs/{job['id']}")
    for case in deletions:
        assert case.asked(first, naming=first).status_code in (200, 204, 409), case


def test_shards_are_ones_own_and_their_names_free_to_all(first: Tenant, second: Tenant) -> None:
    def path(number: str = "") -> str:
        return f"/v1/datasets/shared-name/shards{number}"

    def shard(tenant: Tenant, images: int) -> httpx.Response:
        body = npz(images=pictures(images, 8, 8))
        return tenant.client.put(path("/0"), content=body, headers={"Content-Type": NPZ})

    assert shard(first, 10).status_code == 200
    assert second.client.get(path()).status_code == 404
    assert second.client.delete(path()).status_code == 404
    assert second.client.post(path("/join"), params={"count": 1}).status_code == 404
    assert shard(second, 20).status_code == 200
    assert first.client.delete("/v1/datasets/shared-name").status_code == 404
    joined = [tenant.client.post(path("/join"), params={"count": 1}).json()["images"] for tenant in (first, second)]
    assert joined == [10, 20]
    for tenant in (first, second):
        tenant.client.delete("/v1/datasets/shared-name")


def test_lists_show_what_is_ones_own(document: dict[str, Any], first: Tenant, second: Tenant) -> None:
    upload(first.client, "listed-of-first")
    job = first.client.post("/v1/jobs/train", json={"dataset": "listed-of-first", "name": "to-be-of-first"}).json()
    shown = {operation.id: operation.path for operation in operations(document) if operation.id in LISTS}

    assert shown.keys() == LISTS
    for path in shown.values():
        text = second.client.get(path).text
        assert "of-first" not in text
        assert job["id"] not in text
        assert "second" in text
        assert "-of-second" not in first.client.get(path).text
    assert job["id"] in first.client.get(shown["list_jobs"], params={"kind": "train", "status": "queued"}).text
    assert "listed-of-first" in first.client.get(shown["list_datasets"]).text
    first.client.delete(f"/v1/jobs/{job['id']}")


def test_what_shows_all_tenants_at_once_is_for_who_runs_the_service(
    document: dict[str, Any], first: Tenant, boss: httpx.Client
) -> None:
    for operation in operations(document):
        if operation.id in OF_WHO_RUNS_IT:
            assert first.client.get(operation.path).status_code == 403
            assert boss.get(operation.path).status_code == 200
        elif operation.id in EVERYBODYS:
            text = first.client.get(operation.path).text
            assert not any(name in text for name in first.has.values())


# Names, keys and cursors.


def test_two_tenants_may_use_one_name(first: Tenant, second: Tenant, house: Home) -> None:
    upload(first.client, "same", images=24)
    upload(second.client, "same", images=30)
    for tenant, height in (("first", 8), ("second", 16)):
        services.save_model(tenants.of(house.store, tenant), "twin", height, 8, 1, dataset="same")
    jobs = [each.client.post("/v1/jobs/train", json={"dataset": "same", "name": "to-be"}) for each in (first, second)]

    assert [job.status_code for job in jobs] == [202, 202], "a name that one job holds is free for another tenant"
    assert [job.json()["tenant"] for job in jobs] == ["first", "second"]
    sizes = [each.client.get("/v1/datasets/same").json()["images"] for each in (first, second)]
    assert sizes == [24, 30]
    for _ in range(2):  # the model server and the caches hold both
        for each, height in ((first, 8), (second, 16)):
            path = "/v1/models/twin"
            shown = each.client.get(f"{path}/projection")
            decoded = each.client.post(f"{path}/decode", json={"latents": [[0.0] * 4]}, headers={"Accept": NPZ})
            sample = each.client.get("/v1/datasets/same/images", params={"count": 1}, headers={"Accept": NPZ})
            assert [answer.status_code for answer in (shown, decoded, sample)] == [200] * 3
            assert each.client.get(path).json()["height"] == height
    for job, each in zip(jobs, (first, second), strict=True):
        assert each.client.delete(f"/v1/jobs/{job.json()['id']}").status_code == 200
    assert second.client.delete("/v1/models/twin").status_code == 204
    assert second.client.delete("/v1/datasets/same").status_code == 204
    assert first.client.get("/v1/models/twin").json()["height"] == 8
    assert first.client.post("/v1/models/twin/decode", json={"latents": [[0.0] * 4]}).status_code == 200
    assert first.client.get("/v1/datasets/same").json()["images"] == 24


def test_an_idempotency_key_is_ones_own(first: Tenant, second: Tenant) -> None:
    asked: dict[str, Any] = {"json": {"dataset": "digits"}, "headers": {"Idempotency-Key": "the-very-same"}}

    jobs = [each.client.post("/v1/jobs/train", **asked).json()["id"] for each in (first, second, first)]

    assert jobs[0] == jobs[2] != jobs[1]


def test_the_cursor_of_another_tenant_shows_nothing_of_theirs(first: Tenant, second: Tenant) -> None:
    jobs = [first.client.post("/v1/jobs/train", json={"dataset": "digits"}).json()["id"] for _ in range(2)]

    found = second.client.get("/v1/jobs", params={"cursor": jobs[1]}).json()["jobs"]

    assert found, "older jobs of its own"
    assert {job["tenant"] for job in found} == {"second"}


def test_pages_of_jobs_are_whole_although_others_jobs_lie_between(first: Tenant, second: Tenant) -> None:
    mine = []
    for _ in range(3):
        mine.append(first.client.post("/v1/jobs/label", json={"dataset": "digits", "model": "no"}).status_code)
        second.client.post("/v1/jobs/train", json={"dataset": "digits"})
        mine.append(first.client.post("/v1/jobs/train", json={"dataset": "digits"}).json()["id"])
    wanted = [job for job in mine if isinstance(job, str)][::-1]

    page = first.client.get("/v1/jobs", params={"kind": "train", "limit": 2}).json()
    following = first.client.get("/v1/jobs", params={"kind": "train", "limit": 2, "cursor": page["next"]}).json()

    assert [job["id"] for job in page["jobs"] + following["jobs"]][:3] == wanted


# Who is who.


def test_keys_of_one_tenant_share_what_it_has(served: httpx.Client, first: Tenant) -> None:
    upload(first.client, "shared")
    with client_of(served, "uno") as other:
        assert other.get("/v1/datasets/shared").status_code == 200
        assert other.delete("/v1/datasets/shared").status_code == 204


def test_a_key_without_a_named_tenant_is_one_of_its_own(served: httpx.Client, first: Tenant) -> None:
    with client_of(served, "alone") as alone:
        upload(alone, "mine")
        assert [each["name"] for each in alone.get("/v1/datasets").json()["datasets"]][-1] == "mine"
        assert alone.get("/v1/jobs").json()["jobs"] == []
    assert first.client.get("/v1/datasets/mine").status_code == 404


def test_who_runs_the_service_sees_all_jobs_and_what_belongs_to_nobody(
    boss: httpx.Client, first: Tenant, second: Tenant, house: Home
) -> None:
    services.save_model(house.store, "of-nobody", 8, 8, 1)
    upload(first.client, "somebodys")
    jobs = [each.client.post("/v1/jobs/train", json={"dataset": "digits"}).json()["id"] for each in (first, second)]

    shown = {job["id"] for job in boss.get("/v1/jobs").json()["jobs"]}

    assert set(jobs) <= shown
    assert boss.delete(f"/v1/jobs/{jobs[0]}").status_code == 200
    assert boss.get("/v1/models/of-nobody").status_code == 200
    services.save_model(tenants.of(house.store, "first"), "of-somebody", 8, 8, 1)
    assert first.client.get("/v1/models/of-somebody").status_code == 200
    assert boss.get("/v1/models/first~of-somebody").status_code == 404, "no name of ours is one that is qualified"
    assert first.client.get("/v1/models/of-nobody").status_code == 404
    assert boss.get("/v1/datasets/somebodys").status_code == 404


def test_built_in_data_sets_are_everybodys(first: Tenant, second: Tenant) -> None:
    for tenant in (first, second):
        assert tenant.client.get("/v1/datasets/digits/images", params={"count": 1}).status_code == 200
        assert tenant.client.delete("/v1/datasets/digits").status_code == 409


def test_the_ledger_counts_each_tenants_data_sets_apart(first: Tenant, second: Tenant, boss: httpx.Client) -> None:
    def stored() -> list[str]:
        return [line for line in boss.get("/metrics").text.splitlines() if line.startswith("stored_bytes{")]

    upload(first.client, "counted")
    before = stored()
    upload(second.client, "counted")
    both = stored()
    assert second.client.delete("/v1/datasets/counted").status_code == 204

    assert before != both
    assert stored() == before


# What lasts.


def test_an_emptied_redis_and_a_restart_change_nothing(first: Tenant, second: Tenant, house: Home) -> None:
    jobs = {}
    upload(first.client, "lasting")
    for tenant in (first, second):
        job = tenant.client.post("/v1/jobs/train", json={"dataset": "digits"}).json()["id"]
        tenant.client.delete(f"/v1/jobs/{job}")
        jobs[job] = tenant
    with connect(house.settings) as redis:
        redis.flushall()
    with services.api(house, api_keys=KEYS, tenants=True) as restarted:
        for job, tenant in jobs.items():
            other = second if tenant is first else first
            with client_of(restarted, "one" if tenant is first else "two") as client:
                listed = {each["id"] for each in client.get("/v1/jobs", params={"limit": 200}).json()["jobs"]}
                assert job in listed
                assert not listed & {each for each, whose in jobs.items() if whose is other}
                assert client.get(f"/v1/jobs/{job}").status_code == 200
                assert client.get("/v1/datasets/lasting").status_code == (200 if tenant is first else 404)
            assert other.client.get(f"/v1/jobs/{job}").status_code == 404


def test_a_deleted_job_leaves_nothing_in_redis(first: Tenant, house: Home) -> None:
    job = first.client.post("/v1/jobs/train", json={"dataset": "digits"}).json()["id"]
    first.client.delete(f"/v1/jobs/{job}")
    assert first.client.delete(f"/v1/jobs/{job}/record").status_code == 204

    with connect(house.settings) as redis:
        shelves = [name for name in redis.scan_iter("latentaug:jobs:*") if redis.zscore(name, job) is not None]
        assert shelves == []
        assert redis.hget("latentaug:tenants", job) is None
    assert job not in first.client.get("/v1/jobs").text


@pytest.mark.slow
def test_workers_work_with_what_the_jobs_tenant_has(first: Tenant, second: Tenant, house: Home) -> None:
    """A training, and an evaluation of its model, which is split into sub-jobs."""
    environment = house.environment(queues='["train", "evaluate"]', log_level="warning")
    upload(first.client, "worked", images=60)
    upload(second.client, "worked", images=90)
    trained = {"dataset": "worked", "name": "made", "latent_dim": 2, "epochs": 1}
    jobs = [each.client.post("/v1/jobs/train", json=trained).json()["id"] for each in (first, second)]
    with services.process("worker", environment):
        for tenant, job in zip((first, second), jobs, strict=True):
            ended(tenant.client, job)
            assert tenant.client.get("/v1/models/made").json()["job_id"] == job
            assert tenant.client.post("/v1/models/made/encode", json={"images": PNGS}).status_code == 200
        made = [each.client.get("/v1/models/made").json()["training_images"] for each in (first, second)]
        assert made[0] < made[1]
        asked = {"dataset": "worked", "model": ["made"], "labelled": 6, "draws": 2, "classifiers": ["knn"], "k": 1}
        job = first.client.post("/v1/jobs/evaluate", json=asked).json()["id"]
        ended(first.client, job)
        assert "made" in first.client.get(f"/v1/jobs/{job}/result").text
    assert second.client.get(f"/v1/jobs/{job}/result").status_code == 404


def ended(client: httpx.Client, job: str) -> None:
    def done() -> bool:
        record = client.get(f"/v1/jobs/{job}").json()
        assert record["status"] in ("queued", "running", "succeeded"), record
        return bool(record["status"] == "succeeded")

    services.wait_until(done, 180)


# Where the mode is off.


def test_without_the_mode_every_key_sees_everything_and_jobs_name_no_tenant() -> None:
    with services.home() as plain, services.api(plain, api_keys=KEYS) as client:
        with client_of(client, "one") as one, client_of(client, "two") as two:
            upload(one, "ours")
            job = one.post("/v1/jobs/train", json={"dataset": "ours"}).json()
            assert "tenant" not in job
            assert two.get("/v1/datasets/ours").status_code == 200
            assert two.get(f"/v1/jobs/{job['id']}").json() == {**job, "progress": job["progress"]}
            assert two.get("/metrics").status_code == 200
            assert two.delete(f"/v1/jobs/{job['id']}").status_code == 200
        assert b"tenant" not in plain.store.get(f"jobs/{job['id']}/record.json")


def test_without_keys_there_are_no_tenants_to_tell_apart() -> None:
    with pytest.raises(ValueError, match="LATENTAUG_TENANTS is true and there are no API keys"):
        Settings(tenants=True)
