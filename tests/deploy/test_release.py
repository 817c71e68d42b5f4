"""The chart is kept honest without a cluster: the pods of a release run here as processes, and are used."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.imaging.archives import read_npy, write_npy
from latentaug.imaging.pixels import Limits
from tests.deploy.release import Release
from tests.deploy.rendering import component, of_kind, render
from tests.system.composition import ended
from tests.waiting import within
from tests.worker.conftest import ENDLESS

pytestmark = pytest.mark.slow  # it starts a whole release, and stops and kills its parts

COUNT = """
local sizes = {list = 'LLEN', zset = 'ZCARD', none = 'LLEN'}
return redis.call(sizes[redis.call('TYPE', KEYS[1]).ok], KEYS[1])
"""
"""What KEDA has Valkey do: tell the size of a key, of whichever type that is."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    release = Release(tmp_path_factory.mktemp("release"))
    try:
        for name in ("valkey", "model-server", "api", "caretaker"):
            release.start(name)
        yield release
    finally:
        release.kill()


@pytest.fixture(scope="module")
def client(release: Release) -> Iterator[httpx.Client]:
    with release.client() as client:
        yield client


def counted(release: Release) -> dict[str, int]:
    """What KEDA would find in the keys by which it scales the workers of trainings."""
    scaled = of_kind(render({"keda": {"enabled": True}}), "ScaledObject")
    (spec,) = (each["spec"] for each in scaled if each["metadata"]["name"].endswith("worker-train"))
    with release.valkey("keda") as valkey:
        return {each["name"]: valkey.eval(COUNT, 1, each["metadata"]["listName"]) for each in spec["triggers"]}


def submit(client: httpx.Client, **params: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs/train", json={"dataset": "digits", **params})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_every_probe_of_a_running_pod_is_answered(release: Release) -> None:
    assert {name: release.answers(name) for name in release.running} == dict.fromkeys(release.running, True)


def test_nobody_calls_without_a_key(client: httpx.Client) -> None:
    assert httpx.get(f"{client.base_url}/v1/models").status_code == 401
    assert client.get("/v1/models").status_code == 200


def test_prometheus_gets_numbers_of_each_part(release: Release, client: httpx.Client) -> None:
    monitors = of_kind(render({"prometheus": {"enabled": True}}), "ServiceMonitor")
    for monitor in monitors:
        (endpoint,) = monitor["spec"]["endpoints"]
        headers = dict(client.headers) if "authorization" in endpoint else {}
        answer = httpx.get(f"{release.address(component(monitor))}{endpoint['path']}", headers=headers)
        assert answer.status_code == 200
        assert ("http_requests_total" if component(monitor) == "api" else "queue_samples") in answer.text


def test_a_model_is_trained_once_there_is_a_worker_and_used(release: Release, client: httpx.Client) -> None:
    job = submit(client, name="small", latent_dim=4, epochs=2)
    assert counted(release) == {"waiting": 1, "running": 0}

    release.start("worker-train")
    job = ended(client, job)

    assert job["status"] == "succeeded", job
    assert counted(release) == {"waiting": 0, "running": 0}
    answer = client.post(
        "/v1/models/small/augment?k=2",
        content=write_npy(np.zeros((5, 8, 8), np.uint8)),
        headers={"Content-Type": "application/x-npy", "Accept": "application/x-npy"},
    )
    assert answer.status_code == 200, answer.text
    assert read_npy(answer.content, Limits()).shape == (10, 8, 8)


def test_a_job_that_runs_counts_and_waits_again_when_its_worker_is_taken_away(
    release: Release, client: httpx.Client
) -> None:
    job = submit(client, name="endless", **ENDLESS)
    assert within(30, lambda: counted(release) == {"waiting": 0, "running": 1})

    release.stop("worker-train")

    assert within(5, lambda: counted(release) == {"waiting": 1, "running": 0})
    assert client.get(f"/v1/jobs/{job['id']}").json()["status"] == "queued"
    client.delete(f"/v1/jobs/{job['id']}")


def test_with_no_worker_at_all_a_lost_job_finds_its_queue_again(release: Release, client: httpx.Client) -> None:
    with release.valkey("operator") as operator:
        operator.delete("rq:queue:train")
        submit(client, name="lost", epochs=1)
        operator.delete("rq:queue:train")

    assert counted(release)["waiting"] == 0
    assert within(30, lambda: counted(release)["waiting"] == 1)


def test_keda_may_count_and_nothing_else(release: Release) -> None:
    with release.valkey("operator") as operator:
        operator.acl_log_reset()
        counted(release)
        assert operator.acl_log() == []
    with release.valkey("keda") as valkey:
        for command in (
            "GET latentaug:x",
            "LRANGE rq:queue:train 0 -1",
            "DEL rq:queue:train",
            "KEYS *",
            "CONFIG GET dir",
        ):
            with pytest.raises(Exception, match=r"permission|NOPERM"):
                valkey.execute_command(*command.split())


def test_every_pod_ends_within_its_grace_period(release: Release) -> None:
    for name in ("caretaker", "api", "model-server", "valkey"):
        # uvicorn raises the signal again once it has drained, so that its status tells why it ended.
        assert release.stop(name) in (0, -signal.SIGTERM), release.log(name)[-2000:]
