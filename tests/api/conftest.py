"""One stack of real processes for all API tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from latentaug.runtime.jobs import Attempts, connect
from tests.api import services
from tests.api.services import Home


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """A home with untrained models: `tiny` (grey, 12x10), `colour` (8x8, with UMAP), and `eight` as if of digits."""
    with services.home() as made:
        services.save_model(made.store, "tiny", 12, 10, 1)
        services.save_model(made.store, "colour", 8, 8, 3, places=services.PLACES)
        services.save_model(made.store, "eight", 8, 8, 1, dataset="digits")
        services.save_model(made.store, "eight-too", 8, 8, 1, dataset="digits")
        yield made


@pytest.fixture(scope="session")
def api(home: Home) -> Iterator[httpx.Client]:
    """An open API with small limits, and its model server; no worker, so jobs wait until a test acts as one."""
    limits = {"max_body_bytes": 2**20, "max_dataset_bytes": 2**20, "max_images": 64, "max_queued_jobs": 50}
    with services.model_server(home), services.api(home, **limits) as client:
        services.wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


@pytest.fixture
def empty_redis(home: Home) -> None:
    with connect(home.settings) as redis:
        redis.flushall()


@pytest.fixture
def worker(home: Home) -> Iterator[Attempts]:
    with connect(home.settings) as redis:
        yield Attempts(redis, home.store, home.settings)
