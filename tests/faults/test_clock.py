"""The wall clock jumps, by hours and either way, in all processes at once. Needs libfaketime."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes.util import find_library
from glob import glob
from pathlib import Path

import httpx
import pytest

from bench.chaos.stack import Stack
from tests.faults.conftest import SETTINGS
from tests.system.composition import ended
from tests.waiting import within

LIBRARIES = glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + (
    [find_library("faketimeMT")] if find_library("faketimeMT") else []
)
pytestmark = pytest.mark.skipif(not LIBRARIES, reason="no libfaketime on this machine; install the package faketime")

HOURS = ("+3h", "-3h", "+0")
QUICK = {"dataset": "digits", "latent_dim": 4, "epochs": 3}
LONG = {"dataset": "digits", "latent_dim": 4, "epochs": 10_000, "patience": 10_000}
HEAL = 60.0


class Clock:
    """The wall clock of a service, which one can set."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    def set(self, offset: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": LIBRARIES[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("jumping")
    with (
        Stack(folder / "home", folder / "service.log", SETTINGS, clock.environment) as stack,
        httpx.Client(base_url=stack.url, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("offset", HOURS)
def test_jobs_before_and_after_a_jump_are_done(service: httpx.Client, clock: Clock, offset: str) -> None:
    name = f"jump{HOURS.index(offset)}"
    running = service.post("/v1/jobs/train", json={**LONG, "name": f"{name}-running"}).json()
    assert within(HEAL, lambda: service.get(f"/v1/jobs/{running['id']}").json()["progress"]["fraction"] > 0)
    params, key = {**QUICK, "name": f"{name}-waiting"}, {"Idempotency-Key": name}
    waiting = service.post("/v1/jobs/train", json=params, headers=key).json()

    clock.set(offset)

    assert within(HEAL, lambda: service.get("/readyz").status_code == 200)
    assert service.get(f"/v1/jobs/{running['id']}").json()["status"] in ("queued", "running")
    assert service.post("/v1/jobs/train", json=params, headers=key).json()["id"] == waiting["id"]
    assert service.delete(f"/v1/jobs/{running['id']}").json()["status"] == "cancelled"
    assert ended(service, waiting)["status"] == "succeeded"
    again = service.post("/v1/jobs/train", json={**QUICK, "name": f"{name}-after"}).json()
    assert ended(service, again)["status"] == "succeeded"
