"""A disk that is full, or that nobody may write to."""

from __future__ import annotations

import httpx
import pytest

from bench.chaos import disks, faults
from bench.chaos.asks import NPZ, send
from bench.chaos.work import base_images
from tests.faults.conftest import OnDisks
from tests.waiting import within

pytestmark = pytest.mark.usefixtures("callers")

SECONDS = (3.0, 6.0)


def test_a_full_home_heals_by_itself(ground: OnDisks) -> None:
    ground.needs_disks()
    ground.check(faults.full("home", ground.home, ground.stage.ledger, SECONDS))


def test_a_full_store_heals_by_itself(ground: OnDisks) -> None:
    ground.needs_disks()
    ground.check(faults.full("store", ground.store, ground.stage.ledger, SECONDS))


def test_a_store_that_nobody_may_write_to_heals_by_itself(ground: OnDisks) -> None:
    ground.needs_disks()
    ground.check(faults.read_only("store", ground.store, ground.stage.ledger, SECONDS))


def test_meanwhile_inference_goes_on_and_callers_are_told_why_nothing_is_kept(ground: OnDisks) -> None:
    ground.needs_disks()
    stage = ground.stage
    with httpx.Client(base_url=stage.stack.url, timeout=30) as client:
        doomed = client.post("/v1/datasets?name=doomed", content=base_images(), headers={"Content-Type": NPZ})
        stage.ledger.disk_broken()
        with disks.read_only(ground.store):
            asked = [send(client, ask) for ask in stage.right]
            upload = client.post("/v1/datasets?name=unkept", content=base_images(), headers={"Content-Type": NPZ})
            delete = client.delete("/v1/datasets/doomed")
            unready = within(15, lambda: client.get("/readyz").status_code == 503)
            said = client.get("/readyz").text
        stage.ledger.disk_mended()
        ready = within(30, lambda: client.get("/readyz").status_code == 200)

    assert doomed.status_code == 201
    assert [(answer.status, answer.body) for answer in asked] == [(200, right) for right in stage.right.values()]
    for answer in (upload, delete):
        assert answer.status_code == 507
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert unready
    assert "store" in said
    assert ready
