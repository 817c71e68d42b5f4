"""Each service of docker-compose.yml runs from the image's file system, as confined as it says there, and is used."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import pytest

from bench.image.buildah import Image
from tests.image.containers import Containers
from tests.image.test_image import contents
from tests.system.composition import COMPOSE, ended, order

STOPPED = (0, 128 + signal.SIGTERM)
"""Exit statuses of what SIGTERM has ended: uvicorn raises it again once it has drained."""


@pytest.fixture(scope="module")
def before(image: Image) -> dict[str, tuple[int, int]]:
    return contents(image.root)


@pytest.fixture(scope="module")
def containers(
    image: Image, before: dict[str, tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers]:
    containers = Containers(image, tmp_path_factory.mktemp("containers"))
    try:
        containers.start_all()
        yield containers
    finally:
        containers.stop()


@pytest.fixture(scope="module")
def client(containers: Containers) -> Iterator[httpx.Client]:
    with containers.client() as client:
        yield client


def test_every_service_is_healthy_by_its_own_check(containers: Containers) -> None:
    assert set(containers.running) == {"redis", "keys", "model-server", "api", "worker"}
    assert all(containers.healthy(service) for service in containers.running if service != "keys")


@pytest.mark.parametrize("service", ["redis", "model-server", "api", "worker"])
def test_it_is_confined_as_the_compose_file_says(containers: Containers, service: str) -> None:
    container = containers.running[service]
    for place, answer in {"/data": 0, "/opt/latentaug": 1, "/home/latentaug": 1}.items():
        assert container.run(["sh", "-c", f"echo x 2>/dev/null > {place}/written && rm {place}/written"]) == 2 * answer
    rights = "grep -q 'CapEff:.0000000000000000' /proc/self/status && grep -q 'NoNewPrivs:.1' /proc/self/status"
    assert container.run(["sh", "-c", f'{rights} && test "$(id -u)" = 10001']) == 0


def test_a_model_is_trained_and_new_images_are_made(client: httpx.Client) -> None:
    for kind, params in (
        ("train", {"dataset": "digits", "name": "small", "latent_dim": 4, "epochs": 2}),
        ("augment", {"dataset": "digits", "model": "small", "k": 1}),
    ):
        job = ended(client, client.post(f"/v1/jobs/{kind}", json=params).json())
        assert job["status"] == "succeeded", job


def test_each_ends_within_its_grace_period_and_has_written_to_its_volumes_alone(
    image: Image, containers: Containers, before: dict[str, tuple[int, int]]
) -> None:
    for service in reversed(order()):
        if service != "keys":
            grace = float(COMPOSE["services"][service].get("stop_grace_period", "10s").removesuffix("s"))
            assert containers.running[service].stop(grace) in STOPPED, containers.log(service)[-2000:]
        assert "Read-only file system" not in containers.log(service)
    assert contents(image.root) == before
