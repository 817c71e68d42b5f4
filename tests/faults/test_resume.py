"""A training whose processes are killed ends with the weights of one that nobody disturbed, for both architectures."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bench.chaos.parts import Part
from bench.chaos.stack import Stack
from bench.chaos.work import PAPER, RESIDUAL
from latentaug.storage.objects import ArtefactStore
from tests.faults.conftest import SETTINGS
from tests.system.composition import ended
from tests.waiting import within

SECONDS = 240.0
LONG_ENOUGH = 40.0
"""Seconds of training, so that a checkpoint is kept, every 20 seconds, well before the end."""
TIMES = {"seconds", "images_per_second"}
KILLED: tuple[Part, ...] = ("job", "fork server", "queue", "stack")


def _params(architecture: str, epochs: int) -> dict[str, Any]:
    return {
        "dataset": "digits",
        "name": f"after-{epochs}",
        "architecture": architecture,
        "latent_dim": 4,
        "epochs": epochs,
        "patience": epochs,
        "seed": 11,
    }


def _train(client: httpx.Client, architecture: str, epochs: int) -> dict[str, Any]:
    return dict(client.post("/v1/jobs/train", json=_params(architecture, epochs)).json())


def _curve(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    """The curve of the model that the job has made."""
    curve: list[dict[str, Any]] = client.get(f"/v1/jobs/{job['id']}/result").json()["curve"]
    return curve


def _without_times(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in epoch.items() if name not in TIMES} for epoch in curve]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", [PAPER, RESIDUAL])
def test_it_goes_on_to_the_same_weights(tmp_path: Path, architecture: str) -> None:
    settings = SETTINGS | {"QUEUES": '["train"]'}
    with ExitStack() as open_till_the_end:
        stacks, clients = [], []
        for name in ("quiet", "broken"):
            (tmp_path / name).mkdir()
            stack = Stack(tmp_path / name / "home", tmp_path / name / "service.log", settings)
            stacks.append(open_till_the_end.enter_context(stack))
            client = httpx.Client(base_url=stack.url, timeout=30)
            clients.append(open_till_the_end.enter_context(client))
        quick = _train(clients[0], architecture, 5)
        assert ended(clients[0], quick, SECONDS)["status"] == "succeeded"
        epochs = math.ceil(LONG_ENOUGH / np.min([epoch["seconds"] for epoch in _curve(clients[0], quick)]))
        undisturbed, killed = (_train(client, architecture, epochs) for client in clients)

        kept = ArtefactStore((tmp_path / "broken" / "home" / "store").as_uri())
        assert within(SECONDS, lambda: bool(kept.files(f"jobs/{killed['id']}/kept"))), "a checkpoint is kept"
        for part in KILLED:
            assert within(SECONDS, lambda part=part: bool(stacks[1].parts()[part]))
            os.kill(stacks[1].parts()[part][0], signal.SIGKILL)
            time.sleep(2)
        assert within(SECONDS, stacks[1].ready)
        undisturbed, killed = (
            ended(client, client.get(f"/v1/jobs/{job['id']}").json(), SECONDS)
            for client, job in zip(clients, (undisturbed, killed), strict=True)
        )
        one, other = (client.get(f"/v1/models/after-{epochs}").json() for client in clients)
        curves = [
            _without_times(_curve(client, job)) for client, job in zip(clients, (undisturbed, killed), strict=True)
        ]
        told = clients[1].get(f"/v1/jobs/{killed['id']}/events").text

    assert (undisturbed["status"], killed["status"]) == ("succeeded", "succeeded")
    assert killed["attempt"] >= 3
    assert len(re.findall(r'"epoch": ?1\b', told)) == 1, "it went on from its checkpoint"
    assert other["weights_sha256"] == one["weights_sha256"]
    assert other["latents_sha256"] == one["latents_sha256"]
    assert curves[0] == curves[1]
