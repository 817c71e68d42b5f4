"""The API where the store is a server that speaks S3: well, slow, or too busy to answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from latentaug.runtime.jobs import Attempts, connect
from latentaug.storage.objects import ArtefactStore
from tests import object_stores
from tests.api import services
from tests.api.bodies import NPZ, npz, pictures, post
from tests.api.services import Home
from tests.object_stores import S3
from tests.ways import Trouble, Way, way

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 10
SOON = 6.0
"""Seconds within which callers are told that a busy store cannot be used."""


@pytest.fixture(scope="module")
def lossy(s3_server: S3) -> Iterator[Way]:
    with way(s3_server.server.url) as made:
        yield made


@pytest.fixture(scope="module")
def store(lossy: Way) -> Iterator[ArtefactStore]:
    with pytest.MonkeyPatch.context() as environment:
        yield ArtefactStore(object_stores.name(lossy.url, environment))


@pytest.fixture(scope="module")
def own() -> Iterator[Home]:
    with services.home() as made:
        yield made


@pytest.fixture(scope="module")
def client(own: Home, store: ArtefactStore) -> Iterator[httpx.Client]:
    services.save_model(store, "tiny", 12, 10, 1)
    services.save_model(store, "eight", 8, 8, 1, dataset="digits")
    with services.model_server(own, store_url=object_stores.URL), services.api(own, store_url=object_stores.URL) as api:
        services.wait_until(lambda: api.get("/readyz").status_code == 200)
        yield api


@pytest.fixture
def jobs(own: Home, store: ArtefactStore) -> Iterator[Attempts]:
    with connect(own.settings) as redis:
        yield Attempts(redis, store, own.settings)


def finished(client: httpx.Client, jobs: Attempts, store: ArtefactStore) -> str:
    """The path of the result of an augment job that has succeeded."""
    job: str = client.post("/v1/jobs/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    jobs.claim(job, 1)
    store.put(f"jobs/{job}/images.npz", DATA)
    jobs.finish(job, 1, "succeeded", {})
    return f"/v1/jobs/{job}/result"


def upload(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, "/v1/datasets", npz(images=pictures(8)), NPZ, "application/json", name=name)


def put(client: httpx.Client, path: str) -> httpx.Response:
    return client.put(path, content=npz(images=pictures(8)), headers={"Content-Type": NPZ})


@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_everything_is_as_in_a_folder_however_long_the_store_takes(
    client: httpx.Client, jobs: Attempts, store: ArtefactStore, lossy: Way, delay: float
) -> None:
    result = finished(client, jobs, store)
    lossy.delay = delay
    try:
        assert upload(client, "mine").status_code == 201
        assert upload(client, "mine").status_code == 409
        assert "mine" in {each["name"] for each in client.get("/v1/datasets").json()["datasets"]}
        assert client.get("/v1/datasets/mine/images", params={"count": 2}).status_code == 200
        assert client.get("/v1/models/tiny").json()["latent_dim"] == 4
        assert {each["name"] for each in client.get("/v1/models").json()["models"]} == {"tiny", "eight"}
        whole = client.get(result, headers={"Accept": NPZ})
        assert (whole.status_code, whole.content) == (200, DATA)
        rest = {"Accept": NPZ, "Range": "bytes=100-199", "If-Range": whole.headers["etag"]}
        part = client.get(result, headers=rest)
        assert (part.status_code, part.content) == (206, DATA[100:200])
        assert client.get("/readyz").status_code == 200
        assert client.delete("/v1/datasets/mine").status_code == 204
        assert client.get("/v1/datasets/mine").status_code == 404
        shards = [f"/v1/datasets/mine/shards/{number}" for number in (1, 0)]
        assert [put(client, path).status_code for path in shards] == [200, 200]
        assert client.post("/v1/datasets/mine/shards/join", params={"count": 2}).json()["images"] == 16
        assert client.delete("/v1/datasets/mine").status_code == 204
        assert client.delete(result.replace("/result", "/record")).status_code == 204
        assert client.get(result).status_code == 404
    finally:
        lossy.delay = 0.0


def test_callers_of_a_busy_store_are_told_soon_when_to_come_back(
    client: httpx.Client, jobs: Attempts, store: ArtefactStore, lossy: Way
) -> None:
    result = finished(client, jobs, store)
    assert upload(client, "mine").status_code == 201
    lossy.trouble = lambda _: Trouble.BUSY
    try:
        asks = {
            "upload": lambda: upload(client, "unkept"),
            "list": lambda: client.get("/v1/datasets"),
            "describe": lambda: client.get("/v1/datasets/mine"),
            "models": lambda: client.get("/v1/models"),
            "submit": lambda: client.post("/v1/jobs/train", json={"dataset": "mine"}),
            "result": lambda: client.get(result, headers={"Accept": NPZ}),
            "delete": lambda: client.delete("/v1/datasets/mine"),
            "ready": lambda: client.get("/readyz"),
        }
        for name, ask in asks.items():
            began = time.monotonic()
            answer = ask()
            assert time.monotonic() - began < SOON, name
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), name
            assert int(answer.headers["Retry-After"]) >= 1
    finally:
        lossy.trouble = lambda _: None
    services.wait_until(lambda: client.get("/readyz").status_code == 200)
    assert client.get(result, headers={"Accept": NPZ}).content == DATA
    assert client.get("/v1/datasets/unkept").status_code == 404
    assert client.delete("/v1/datasets/mine").status_code == 204
