"""docker-compose.yml is kept honest without an engine: its services run here as processes, and are used."""

import signal
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from latentaug.imaging.archives import read_npy, write_npy
from latentaug.imaging.pixels import Limits
from latentaug.runtime.settings import PREFIX, Settings
from tests.system.composition import COMPOSE, START_SECONDS, Composition, ended, order


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    composition = Composition(tmp_path_factory.mktemp("compose"))
    try:
        composition.start_all()
        yield composition
    finally:
        composition.stop()


@pytest.fixture(scope="module")
def client(composition: Composition) -> Iterator[httpx.Client]:
    with composition.client() as client:
        yield client


def test_every_service_is_healthy_by_its_own_check(composition: Composition) -> None:
    assert set(composition.running) == {"redis", "keys", "model-server", "api", "worker"}
    assert all(composition.healthy(service) for service in composition.running if service != "keys")


def test_settings_of_the_shell_reach_every_process_and_none_is_misspelt() -> None:
    for service in ("api", "model-server", "worker"):
        declared = COMPOSE["services"][service]["environment"]
        names = {name.removeprefix(PREFIX).lower() for name in declared}
        assert names <= set(Settings.model_fields)
        assert {name for name, value in declared.items() if value is None} >= {
            f"{PREFIX}{name}" for name in ("MLFLOW_URI", "WEBHOOK_SECRET", "CORS_ORIGINS", "ROOT_PATH", "HOST_NAMES")
        }


def test_the_key_of_the_first_start_is_needed_and_kept_only_as_its_hash(
    composition: Composition, client: httpx.Client
) -> None:
    assert httpx.get(f"{client.base_url}/v1/models").status_code == 401
    assert client.get("/v1/models").json() == {"models": [], "damaged": []}
    kept = (composition.home / "api-keys").read_text()
    assert "sha256$" in kept
    assert client.headers["Authorization"].removeprefix("Bearer ") not in kept
    again = composition.start("keys")
    assert again.wait(START_SECONDS) == 0
    assert (composition.home / "api-keys").read_text() == kept
    assert client.get("/v1/models").status_code == 200


def test_a_model_is_trained_and_used_through_all_of_them(client: httpx.Client) -> None:
    params = {"dataset": "digits", "name": "small", "latent_dim": 4, "epochs": 2}
    job = client.post("/v1/jobs/train", json=params).json()
    job = ended(client, job)
    assert job["status"] == "succeeded", job
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    answer = client.post(
        "/v1/models/small/augment?k=2",
        content=write_npy(images),
        headers={"Content-Type": "application/x-npy", "Accept": "application/x-npy"},
    )
    assert answer.status_code == 200, answer.text
    assert read_npy(answer.content, Limits()).shape == (10, 8, 8)


def test_every_service_stops_within_its_grace_period(composition: Composition) -> None:
    for service in reversed(order()):
        if service == "keys":
            continue
        grace = COMPOSE["services"][service].get("stop_grace_period", "10s")
        process = composition.running[service]
        process.terminate()
        status = process.wait(float(grace.removesuffix("s")))
        # uvicorn raises the signal again once it has drained, so that its status tells why it ended.
        assert status in (0, -signal.SIGTERM), f"{service}: {composition.log(service)[-2000:]}"
