"""Everything is replaced, one part after the other, while callers go on; none of them sees a failure.

The callers are our own client with its retries. They know one address, of a balancer that only looks whether a server
takes connections.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from latentaug_client import Client, LatentaugError
from latentaug_client.retries import Retries

from bench.fleet import Fleet, Part
from latentaug.runtime.lifeline import tied
from service.stack import health, ports
from tests.relay import HOST
from tests.scale.conftest import MODEL
from tests.waiting import within

ATTEMPTS = 10
SETTLE_SECONDS = 60.0
EVALUATE = {
    "dataset": "digits",
    "latent_dims": [4],
    "epochs": 2,
    "labelled": 500,
    "draws": 8,
    "methods": ["interpolation"],
    "classifiers": ["svm"],
    "comparators": ["duplication"],
    "combine": False,
}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)


@pytest.fixture
def balanced(fleet: Fleet) -> Iterator[str]:
    """The URL of a balancer in front of all APIs."""
    port = ports.free(HOST)
    command = [sys.executable, "-m", "tests.scale.balancer", str(port), *(api.url for api in fleet.apis)]
    process = subprocess.Popen(tied(command))
    url = health.url(HOST, port)
    assert within(SETTLE_SECONDS, lambda: health.ready(url))
    yield url
    process.kill()
    process.wait()


class Callers:
    """Threads that ask for something again and again, and keep what came and what failed."""

    def __init__(self, url: str, asks: list[Callable[[Client], object]]) -> None:
        self.answers: list[list[object]] = [[] for _ in asks]
        self.failures: list[str] = []
        self._url, self._over = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=each) for each in zip(asks, self.answers, strict=True)]

    def _ask(self, ask: Callable[[Client], object], answers: list[object]) -> None:
        with Client(self._url, retries=Retries(attempts=ATTEMPTS)) as client:
            while not self._over.is_set():
                try:
                    answers.append(ask(client))
                except LatentaugError as error:
                    self.failures.append(str(error))

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def replaced(part: Part, ready: Callable[[], bool]) -> None:
    part.stop()
    part.start()
    assert within(SETTLE_SECONDS, ready)


def test_rolling_restart_of_every_part_fails_no_request_and_loses_no_job(
    fleet: Fleet, apis: list[httpx.Client], balanced: str
) -> None:
    asks: list[Callable[[Client], object]] = [
        *[lambda client: client.encode(IMAGES, model=MODEL).latents.tobytes()] * 3,
        lambda client: client.augment(IMAGES, model=MODEL, method="noise", seed=1).images.tobytes(),
        lambda client: client.models() and time.sleep(0.1),
    ]
    with Client(balanced, retries=Retries(attempts=ATTEMPTS)) as client, Callers(balanced, asks) as callers:
        evaluation = client.evaluate(**EVALUATE)  # type: ignore[arg-type]
        for api in fleet.apis:
            replaced(api, api.ready)
        for server in fleet.model_servers:
            replaced(server, lambda: all(api.get("/readyz").json() == {"status": "ready"} for api in apis))
        for worker in fleet.workers:
            replaced(worker, lambda worker=worker: len(worker.pids()) > 3)  # type: ignore[misc]
        evaluation.wait(timeout=400)

    assert callers.failures == []
    assert evaluation.status == "succeeded"
    assert all(len(answers) > 10 for answers in callers.answers)
    encoded = {answer for answers in callers.answers[:3] for answer in answers}
    assert len(encoded) == 1, "whoever answered, it was the same"
    assert len(set(callers.answers[3])) == 1
