"""A real service with a model of the digits, trained through the client itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from latentaug_client import Client

from examples.running import running_service
from latentaug.datasets import digits

MODEL = "digits-vae"
DIGITS = digits.load()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="session")
def url(home: Path) -> Iterator[str]:
    with running_service(home) as service:
        with Client(service.url) as client:
            client.train("digits", name=MODEL, epochs=3, beta=0.25).wait(timeout=120)
        yield service.url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture
def images() -> np.ndarray:
    return DIGITS.images[:40, ..., 0]


@pytest.fixture
def labels() -> np.ndarray:
    assert DIGITS.labels is not None
    return DIGITS.labels[:40] % 2  # two classes, so that each has neighbours enough
