"""Real processes for the tests: the API and the model server, on a Valkey and a store of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import SecretStr

from latentaug.options import ArchitectureName
from latentaug.runtime.settings import Settings
from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import Architecture
from latentaug.vae.networks import build, to_bytes
from service.stack.valkey import EmbeddedRedis

START_SECONDS = 60.0
PLACES = np.arange(12, dtype=np.float32).reshape(6, 2)
"""By UMAP, as if it had been there."""


class Home:
    """A folder with a store, a Redis URL and the environment of the processes that share them."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.settings = Settings(home=folder, redis_url=SecretStr(redis_url))
        self.store = ArtefactStore(self.settings.resolved_store_url)

    def environment(self, **settings: object) -> dict[str, str]:
        """The environment of a process."""
        given = {"home": self.folder, "redis_url": self.redis_url, "threads": 1, **settings}
        ours = {f"LATENTAUG_{name.upper()}": str(value) for name, value in given.items() if value is not None}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        return {**inherited, "OMP_NUM_THREADS": "1", **ours}

    @property
    def redis_url(self) -> str:
        """Where Redis is."""
        assert self.settings.redis_url is not None
        return self.settings.redis_url.get_secret_value()


@contextmanager
def home() -> Iterator[Home]:
    """A short-lived home with a running Valkey; under a short path, for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="la-") as folder, EmbeddedRedis(Path(folder)) as url:
        yield Home(Path(folder), url)


@contextmanager
def process(module: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A running `python -m module`; stopped in the end however the test goes."""
    running = subprocess.Popen([sys.executable, "-m", module], env=environment)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def model_server(at: Home, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A running model server."""
    with process("service.model_server", at.environment(**settings)) as running:
        yield running


@contextmanager
def api(at: Home, **settings: object) -> Iterator[httpx.Client]:
    """A client of a running API."""
    port = free_port()
    environment = at.environment(port=port, log_level="warning", **settings)
    with (
        process("service.api", environment) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        wait_until(lambda: running.poll() is None and answers(client))
        yield client


def answers(client: httpx.Client) -> bool:
    """Whether the API is up."""
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(true: object, seconds: float = START_SECONDS) -> None:
    """Wait for a condition."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def save_model(
    store: ArtefactStore,
    name: str,
    height: int,
    width: int,
    channels: int,
    dataset: str = "pets",
    places: NDArray[np.float32] | None = None,
    labels: tuple[int, ...] = (0, 0, 0, 1, 1, 1),
    mse: float | None = None,
    architecture: ArchitectureName = "paper",
) -> ModelDescription:
    """Put an untrained VAE with seeded weights, six latents with labels and perhaps places by UMAP into the store.

    With an `mse`, its held-out reconstructions are said to be as far off.
    """
    reconstruction = None if mse is None else models.Reconstruction.of(mse)
    umap = None if places is None else models.places_bytes(places)
    torch.manual_seed(0)
    network = build(Architecture(height, width, channels, latent_dim=4, hidden=16, name=architecture))
    weights = to_bytes(network)
    latents = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    projected = ProjectedDataset(
        latents=latents, labels=np.array(labels, np.int64), rows=np.arange(10, 16, dtype=np.int64)
    )
    description = ModelDescription(
        name=name,
        version="1" * 32,
        height=height,
        width=width,
        channels=channels,
        latent_dim=4,
        hidden=16,
        architecture=architecture,
        reconstruction=reconstruction,
        advice="" if reconstruction is None else models.advice(reconstruction, 4, 4),
        dataset=dataset,
        dataset_checksum="0" * 64,
        classes=["cat", "dog"],
        sigma=latents.std(axis=0).tolist(),
        training={"epochs": 1},
        curve=[{"epoch": 0, "train_loss": 1.5}],
        best_epoch=0,
        training_images=6,
        validation_images=1,
        weights_sha256=sha256(weights).hexdigest(),
        latents_sha256=sha256(models.projected_bytes(projected)).hexdigest(),
        umap_sha256=None if umap is None else sha256(umap).hexdigest(),
        created_at=datetime.now(UTC),
        job_id="1" * 32,
    )
    models.save(store, description, weights, projected, umap)
    return description
