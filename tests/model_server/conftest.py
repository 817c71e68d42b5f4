"""Small VAEs in a store, and real model server processes in front of it."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.networks import to_bytes, untrained
from latentaug.vae.residual import ResidualVAE

REPOSITORY = Path(__file__).parents[2]


def random_vae(shape: tuple[int, int, int], seed: int = 0) -> VAE:
    """The network that `save_model` saves."""
    torch.manual_seed(seed)
    vae = VAE(Architecture(*shape, latent_dim=4, hidden=64))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(2)
    return vae.eval()


def random_residual_vae(shape: tuple[int, int, int], seed: int = 0) -> ResidualVAE:
    """A residual network of as many latents, whose convolutions do something."""
    images = np.random.default_rng(seed).integers(0, 256, (30, *shape), np.uint8)
    vae = untrained(Architecture(*shape, latent_dim=4, name="residual"), images, seed)
    assert isinstance(vae, ResidualVAE)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return vae.eval()


def save_model(
    store: ArtefactStore, name: str, *, shape: tuple[int, int, int] = (8, 8, 1), version: str = "v1", seed: int = 0
) -> ModelDescription:
    """Put a VAE with random weights, wide enough that its images differ, into the store."""
    height, width, channels = shape
    vae = random_vae(shape, seed)
    rng = np.random.default_rng(seed)
    projected = ProjectedDataset(
        latents=rng.standard_normal((30, 4), np.float32),
        labels=np.arange(30, dtype=np.int64) % 3,
        rows=np.arange(100, 160, 2, dtype=np.int64),
    )
    weights = to_bytes(vae)
    description = ModelDescription(
        name=name,
        version=version,
        height=height,
        width=width,
        channels=channels,
        latent_dim=4,
        hidden=64,
        dataset="digits",
        dataset_checksum="0",
        classes=["a", "b", "c"],
        sigma=[0.5, 1.0, 1.5, 2.0],
        training={},
        best_epoch=1,
        training_images=30,
        validation_images=3,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        latents_sha256=hashlib.sha256(models.projected_bytes(projected)).hexdigest(),
        created_at=datetime.now(UTC),
        job_id=version,
    )
    models.save(store, description, weights, projected)
    return description


@dataclass
class Process:
    """A running model server."""

    url: str
    process: subprocess.Popen[bytes]
    store: ArtefactStore


Start = Callable[..., Process]


def listening(url: str) -> bool:
    parts = urlsplit(url)
    unix = parts.scheme == "unix"
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM) as probe:
        address = parts.path if unix else (parts.hostname, parts.port)
        return probe.connect_ex(address) == 0


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts model servers, each on a home of its own unless one is given, and kills them at the end."""
    started: list[Process] = []

    def start_one(
        *, url: str | None = None, home: Path | None = None, program: Path | None = None, **options: object
    ) -> Process:
        home = home or tmp_path_factory.mktemp("h")
        url = url or f"unix://{home}/s"
        settings = {"home": home, "model_server_url": url, "device": "cpu", "threads": 1, **options}
        variables = {f"LATENTAUG_{name.upper()}": str(value) for name, value in settings.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        command = [sys.executable, *([str(program)] if program else ["-m", "service.model_server"])]
        variables["PYTHONPATH"] = str(REPOSITORY)
        process = subprocess.Popen(command, env={**clean, **variables}, cwd=REPOSITORY)
        started.append(Process(url, process, ArtefactStore((home / "store").as_uri())))
        wait_for(lambda: process.poll() is not None or listening(url))
        assert process.poll() is None, "the model server did not start"
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture(scope="module")
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
