"""An object store that is away for a while: callers are told, jobs wait, and nothing that was accepted is lost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bench.chaos.asks import NPZ, send
from bench.chaos.faults import Fault
from bench.chaos.stack import Stack
from bench.chaos.work import PAPER, WORK, base_images, training
from tests import object_stores
from tests.faults.conftest import Ground, staged
from tests.object_stores import S3
from tests.system.composition import ended
from tests.waiting import within

HEAL = 60.0
LONGER_THAN_ANYBODY_WAITS = 25.0
WORKS = [work for work in WORK if work.kind != "evaluate" and work.name != "train, residual"]
MANY = 60
"""Callers who ask for what only the store knows: more than there are threads."""
SOON = 15.0


class OnS3(Ground):
    """Where the store is a server that speaks S3."""

    s3: S3


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, rng: random.Random) -> Iterator[OnS3]:
    folder = tmp_path_factory.mktemp("s3")
    pytest.importorskip("moto", reason="needs a server that speaks S3: make .venv/.installed-slow")
    with object_stores.s3() as s3, pytest.MonkeyPatch.context() as environment:
        url = object_stores.name(s3.door.url, environment)
        with staged(folder, folder / "home", url, WORKS) as stage:
            ground = OnS3(stage, rng)
            ground.s3 = s3
            yield ground


def lasting(name: str, seconds: float, begin: Callable[[], None], end: Callable[[], None]) -> Fault:
    def happen(_: Stack, rng: random.Random) -> bool:
        begin()
        time.sleep(seconds)
        end()
        return True

    return Fault(name, happen, lasts=True)


@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize("seconds", [0.0, 8.0])
def test_it_is_killed_and_comes_back(ground: OnS3, seconds: float) -> None:
    door = ground.s3.door
    ground.check(lasting("object store killed", seconds, door.kill, door.start))


@pytest.mark.usefixtures("callers")
@pytest.mark.parametrize("seconds", [4.0, LONGER_THAN_ANYBODY_WAITS])
def test_it_stands_still(ground: OnS3, seconds: float) -> None:
    server = ground.s3.server
    stop, go_on = (lambda number=number: server.signal(number) for number in (signal.SIGSTOP, signal.SIGCONT))
    ground.check(lasting("object store stands still", seconds, stop, go_on))


def test_meanwhile_inference_goes_on_and_callers_are_told_when_to_come_back(ground: OnS3) -> None:
    stage, server = ground.stage, ground.s3.server
    assert within(HEAL, stage.stack.ready)
    with httpx.Client(base_url=stage.stack.url, timeout=60) as client:
        running = client.post("/v1/jobs/train", json=training(PAPER, 60, "digits")).json()
        path = f"/v1/jobs/{running['id']}"
        assert within(HEAL, lambda: client.get(path).json()["status"] == "running")
        for ask in stage.right:
            send(client, ask)
        server.signal(signal.SIGSTOP)
        try:
            unready = within(15, lambda: client.get("/readyz").status_code == 503)
            with ThreadPoolExecutor(MANY) as pool:
                waiting = [pool.submit(httpx.get, f"{stage.stack.url}/v1/datasets", timeout=60) for _ in range(MANY)]
                time.sleep(1)
                began = time.monotonic()
                asked = {ask: send(client, ask) for ask in stage.right}
                looked, still = client.get(path), client.get("/readyz")
                took = time.monotonic() - began
                told = [answer.result() for answer in waiting]
            upload = client.post("/v1/datasets?name=unkept", content=base_images(), headers={"Content-Type": NPZ})
            submitted = client.post("/v1/jobs/train", json=training(PAPER, 1))
        finally:
            server.signal(signal.SIGCONT)
        ready = within(HEAL, lambda: client.get("/readyz").status_code == 200)
        done = ended(client, running, 240)
        left = client.get("/v1/datasets/unkept")

    assert unready
    assert "no answer from: store" in still.json()["detail"], "and from nobody else"
    assert [(answer.status, answer.body) for answer in asked.values()] == [
        (200, right) for right in stage.right.values()
    ]
    assert looked.status_code == 200
    assert took < SOON
    for answer in (*told, upload, submitted):
        assert answer.status_code == 503, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
    assert ready
    assert done["status"] == "succeeded"
    assert left.status_code == 404
