"""`kill -9` of any process: the others answer correctly meanwhile, and after a restart no accepted job is lost."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis

from latentaug.imaging.archives import write_npy
from tests.system.composition import Composition, ended

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
LONG = {"dataset": "digits", "latent_dim": 4, "epochs": 10000, "patience": 10000}
SHORT = {"dataset": "digits", "latent_dim": 4, "epochs": 2}


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    composition = Composition(tmp_path_factory.mktemp("crashes"))
    try:
        composition.start_all()
        with composition.client() as client:
            job = ended(client, client.post("/v1/jobs/train", json={**SHORT, "name": "small"}).json())
            assert job["status"] == "succeeded", job
        yield composition
    finally:
        composition.stop()


@pytest.fixture
def client(composition: Composition) -> Iterator[httpx.Client]:
    with composition.client() as client:
        yield client


def _augment(client: httpx.Client) -> httpx.Response:
    return client.post(
        "/v1/models/small/augment",
        content=write_npy(IMAGES),
        headers={"Content-Type": "application/x-npy", "Accept": "application/x-npy"},
    )


def _train(client: httpx.Client, params: dict[str, Any], name: str) -> dict[str, Any]:
    answer = client.post("/v1/jobs/train", json={**params, "name": name})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def _running(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while job["status"] != "running" or job["progress"]["fraction"] == 0:
        assert time.monotonic() < deadline, job
        assert job["status"] in ("queued", "running"), job
        time.sleep(0.2)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return job


def test_without_the_model_server_inference_waits_and_jobs_go_on(
    composition: Composition, client: httpx.Client
) -> None:
    before = _augment(client).content
    composition.kill("model-server")
    answer = _augment(client)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "model" in ready.text
    assert ended(client, _train(client, SHORT, "meanwhile"))["status"] == "succeeded"
    composition.start("model-server")
    composition.wait("model-server")
    after = _augment(client)
    assert after.status_code == 200
    assert after.content == before


def test_a_job_whose_worker_is_killed_is_done_by_the_next(composition: Composition, client: httpx.Client) -> None:
    job = _running(client, _train(client, LONG, "survivor"))
    composition.kill("worker")
    assert _augment(client).status_code == 200
    assert client.get(f"/v1/jobs/{job['id']}").json()["status"] in ("running", "queued")
    queued = _train(client, SHORT, "patient")
    composition.start("worker")
    deadline = time.monotonic() + 60
    while True:
        now = client.get(f"/v1/jobs/{job['id']}").json()
        if now["attempt"] > 1 and now["status"] == "running":
            break
        assert time.monotonic() < deadline, now
        time.sleep(0.3)
    assert client.delete(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
    assert ended(client, queued)["status"] == "succeeded"


def test_without_the_api_jobs_go_on_and_are_there_when_it_is_back(
    composition: Composition, client: httpx.Client
) -> None:
    job = _train(client, SHORT, "unwatched")
    composition.kill("api")
    time.sleep(1)
    composition.start("api")
    composition.wait("api")
    assert ended(client, job)["status"] == "succeeded"
    assert _augment(client).status_code == 200


def test_without_redis_images_are_answered_and_jobs_wait(composition: Composition, client: httpx.Client) -> None:
    job = ended(client, _train(client, SHORT, "remembered"))
    composition.kill("redis")
    assert _augment(client).status_code == 200
    answer = client.post("/v1/jobs/train", json={**SHORT, "name": "refused"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get(f"/v1/jobs/{job['id']}").json() == job
    composition.start("redis")
    composition.wait("redis")
    assert ended(client, _train(client, SHORT, "afterwards"))["status"] == "succeeded"


def test_results_are_served_after_redis_is_emptied(composition: Composition, client: httpx.Client) -> None:
    job = ended(client, _train(client, SHORT, "kept"))
    result = client.get(f"/v1/jobs/{job['id']}/result").json()
    with Redis(port=composition.redis_port) as redis:
        redis.flushall()
    assert client.get(f"/v1/jobs/{job['id']}").json() == job
    assert client.get(f"/v1/jobs/{job['id']}/result").json() == result
    assert job["id"] in [record["id"] for record in client.get("/v1/jobs").json()["jobs"]]
