"""Today's service and the one before it could run on several machines: one after the other, and both at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.imaging.archives import write_npy, write_npz
from latentaug.runtime.processes import MISCONFIGURED
from latentaug.runtime.settings import Settings
from latentaug.storage import formats
from latentaug.storage.objects import ArtefactStore
from service.stack import ports
from service.stack.valkey import EmbeddedRedis
from tests.system.composition import ended
from tests.system.releases import ROOT, files_of, running, wait_until_ready

pytestmark = pytest.mark.slow

BEFORE = "4ae45e9a1c14d7b29774150855796616d62a3c95"
"""The last commit of main before the service could run on several machines."""
HOST = "127.0.0.1"
NPY, NPZ = "application/x-npy", "application/x-npz"
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
UPLOAD = write_npz({"images": IMAGES, "labels": np.arange(40) % 2})
ALL = ("service.api", "service.model_server", "worker")
SHORT = {"dataset": "mine", "latent_dim": 4, "epochs": 2}
LONGER = {"dataset": "digits", "latent_dim": 4, "epochs": 20, "patience": 20}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files_of(BEFORE, tmp_path_factory.mktemp("earlier"))


def upload(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/v1/datasets?name={name}", content=UPLOAD, headers={"Content-Type": NPZ})
    assert answer.status_code == 201, answer.text


def submit(client: httpx.Client, kind: str, **params: Any) -> dict[str, Any]:
    answer = client.post(f"/v1/jobs/{kind}", json=params)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def augmented(client: httpx.Client, model: str) -> None:
    headers = {"Content-Type": NPY, "Accept": NPY}
    answer = client.post(f"/v1/models/{model}/augment", content=write_npy(IMAGES[:4]), headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_home_of_the_release_before_goes_on_where_it_was(earlier: Path, tmp_path: Path) -> None:
    port = ports.free(HOST)
    settings = {"HOME": tmp_path / "home", "HOST": HOST, "PORT": port}
    with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60) as client:
        with running(earlier, "service.stack", **settings) as before:
            wait_until_ready(client, before)
            upload(client, "mine")
            assert ended(client, submit(client, "train", **SHORT, name="small"))["status"] == "succeeded"
            made = submit(client, "augment", dataset="mine", model="small", k=1, seed=1)
            assert ended(client, made)["status"] == "succeeded"
            asks = {
                path: NPZ if path.endswith("result") else "application/json"
                for path in (
                    "/v1/models",
                    "/v1/models/small",
                    "/v1/datasets",
                    "/v1/datasets/mine",
                    f"/v1/jobs/{made['id']}",
                    f"/v1/jobs/{made['id']}/result",
                )
            }
            told = {path: client.get(path, headers={"Accept": form}).content for path, form in asks.items()}
            interrupted, waiting = (submit(client, "train", **LONGER, name=name) for name in ("first", "second"))
            assert before.stop() == 0

        with running(ROOT, "service.stack", **settings) as now:
            wait_until_ready(client, now)
            assert {path: client.get(path, headers={"Accept": form}).content for path, form in asks.items()} == told
            augmented(client, "small")
            listed = [job["id"] for job in client.get("/v1/jobs").json()["jobs"]]
            assert listed[:3] == [waiting["id"], interrupted["id"], made["id"]]
            for job in (interrupted, waiting):
                assert ended(client, job, 240)["status"] == "succeeded"
            assert now.stop() == 0


class Side:
    """The processes of one release, beside those of another, over one Valkey and one store.

    Args:
        release: its folder.
        shared: the settings that all have in common.
        home: its home.
        modules: the modules that it runs.
        asks: the home of the model server that its API asks; its own unless another is given.
    """

    def __init__(
        self, release: Path, shared: Mapping[str, str], home: Path, modules: Sequence[str], asks: Path | None = None
    ) -> None:
        home.mkdir()
        port, url = ports.free(HOST), Settings(home=asks or home).resolved_model_server_url
        settings = {**shared, "HOME": home, "HOST": HOST, "PORT": port, "MODEL_SERVER_URL": url}
        self._processes = ExitStack()
        self._programs = {
            module: self._processes.enter_context(running(release, module, **settings)) for module in modules
        }
        self.client = self._processes.enter_context(httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60))

    def wait(self) -> None:
        wait_until_ready(self.client, self._programs["service.api"])

    def stop(self, *modules: str) -> None:
        """Stop these processes of it."""
        for module in modules:
            assert self._programs[module].stop() in (0, -signal.SIGTERM)

    def close(self) -> None:
        self._processes.close()


class Callers:
    """Use the sides that a load balancer knows, one call after the other, until they are told to stop."""

    def __init__(self) -> None:
        self.sides: list[Side] = []
        self.calls = 0
        self.jobs: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self._rng = np.random.default_rng(0)
        self._busy, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Callers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def only(self, *sides: Side) -> None:
        """Know these sides from now on; what was asked of another has been answered."""
        with self._busy:
            self.sides = [*sides]

    def _go_on(self) -> None:
        number = 0
        while not self._over.wait(0.05):
            number += 1
            with self._busy:
                try:
                    self._call(number)
                except (AssertionError, httpx.HTTPError) as error:
                    self.failed.append(f"{number}: {error!r}")

    def _call(self, number: int) -> None:
        """Make something with one side, and look at it with another."""
        makes, looks = (self.sides[i].client for i in self._rng.integers(len(self.sides), size=2))
        if number % 10 == 1:
            upload(makes, f"set-{number}")
            assert looks.get(f"/v1/datasets/set-{number}").status_code == 200
            assert looks.delete(f"/v1/datasets/set-{number}").status_code == 204
        elif number % 10 == 2 and len(self.jobs) < number // 20 + 1:
            self.jobs.append(submit(makes, "train", **SHORT, name=f"model-{number}"))
        elif self.jobs and number % 10 == 3:
            job = self.jobs[self._rng.integers(len(self.jobs))]
            record = looks.get(f"/v1/jobs/{job['id']}")
            assert record.status_code == 200, record.text
            if record.json()["status"] == "succeeded":
                augmented(makes, job["params"]["name"])
        else:
            augmented(makes, "small")
            for path in ("/v1/models", "/v1/datasets", "/v1/jobs"):
                listed = looks.get(path)
                assert listed.status_code == 200, listed.text
                assert listed.json().get("damaged", []) == []
        self.calls += 1


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Callable[..., Side]]:
    """Starts sides over one Valkey and one store."""
    with EmbeddedRedis(tmp_path) as redis_url, ExitStack() as stack:
        shared = {"REDIS_URL": redis_url, "STORE_URL": (tmp_path / "store").as_uri()}

        def start(release: Path, name: str, *modules: str, asks: str | None = None) -> Side:
            made = Side(release, shared, tmp_path / name, modules, None if asks is None else tmp_path / asks)
            stack.callback(made.close)
            made.wait()
            return made

        yield start


def test_one_release_is_replaced_by_the_other_while_both_are_used(earlier: Path, side: Callable[..., Side]) -> None:
    """The workers first, as those of before do not know all that today's API may ask for."""
    before = side(earlier, "before", *ALL)
    upload(before.client, "mine")
    assert ended(before.client, submit(before.client, "train", **SHORT, name="small"))["status"] == "succeeded"
    with Callers() as callers:
        callers.only(before)
        now = side(ROOT, "now", *ALL)
        time.sleep(5)
        before.stop("worker")
        crossed = (
            side(earlier, "old API", "service.api", asks="now"),
            side(ROOT, "new API", "service.api", asks="before"),
        )
        callers.only(before, now, *crossed)
        time.sleep(20)
        callers.only(now)
        for old in (*crossed, before):
            old.stop("service.api")
        before.stop("service.model_server")
        time.sleep(5)
    assert callers.failed == []
    assert callers.calls > 50
    assert len(callers.jobs) > 3
    assert {ended(now.client, job, 240)["status"] for job in callers.jobs} == {"succeeded"}


@pytest.mark.parametrize("module", ["service.stack", "service.api", "service.model_server", "worker"])
def test_nothing_starts_where_a_newer_release_writes(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(formats, "FORMAT", 3)
        formats.mark_store(ArtefactStore((tmp_path / "store").as_uri()))
    environment = {"LATENTAUG_HOME": str(tmp_path), "LATENTAUG_PORT": str(ports.free(HOST))}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == MISCONFIGURED
    assert "written by a newer latentaug (format 3; this one reads up to 1): upgrade this service" in done.stderr
    assert "Traceback" not in done.stderr
