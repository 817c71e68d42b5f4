"""A training whose processes are killed ends with the weights of one that nobody disturbed, for both architectures."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.chaos.parts import Part
from bench.chaos.stack import Stack
from bench.chaos.work import PAPER, RESIDUAL
from latentaug.storage.objects import ArtefactStore
from tests.faults.conftest import SETTINGS
from tests.system.composition import ended
from tests.waiting import within

SECONDS = 240.0
EPOCHS = {PAPER: 600, RESIDUAL: 90}
"""So many that a checkpoint is kept, every 20 seconds, well before the end."""
KILLED: tuple[Part, ...] = ("job", "queue", "stack")


def _params(architecture: str, name: str) -> dict[str, Any]:
    epochs = EPOCHS[architecture]
    return {
        "dataset": "digits",
        "name": name,
        "architecture": architecture,
        "latent_dim": 4,
        "epochs": epochs,
        "patience": epochs,
        "seed": 11,
    }


def _told(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    """The curve of the model that the job has made, without times."""
    curve = client.get(f"/v1/jobs/{job}/result").json()["curve"]
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in curve]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", [PAPER, RESIDUAL])
def test_it_goes_on_to_the_same_weights(tmp_path: Path, architecture: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    artefacts = ArtefactStore((home / "store").as_uri())
    with (
        Stack(home, tmp_path / "service.log", SETTINGS | {"QUEUES": '["train"]'}) as stack,
        httpx.Client(base_url=stack.url, timeout=30) as client,
    ):
        first = client.post("/v1/jobs/train", json=_params(architecture, "undisturbed")).json()
        first = ended(client, first, SECONDS)
        assert first["status"] == "succeeded", first
        killed = client.post("/v1/jobs/train", json=_params(architecture, "killed")).json()
        kept = f"jobs/{killed['id']}/kept"
        assert within(SECONDS, lambda: bool(artefacts.files(kept))), "a checkpoint is kept"
        for part in KILLED:
            assert within(SECONDS, lambda part=part: bool(stack.parts()[part]))
            os.kill(stack.parts()[part][0], signal.SIGKILL)
            time.sleep(2)
        assert within(SECONDS, stack.ready)
        killed = ended(client, client.get(f"/v1/jobs/{killed['id']}").json(), SECONDS)
        one, other = (client.get(f"/v1/models/{name}").json() for name in ("undisturbed", "killed"))
        curves = [_told(client, job["id"]) for job in (first, killed)]

    assert killed["status"] == "succeeded", killed
    assert killed["attempt"] > len(KILLED)
    assert other["weights_sha256"] == one["weights_sha256"]
    assert other["latents_sha256"] == one["latents_sha256"]
    assert curves[0] == curves[1]
