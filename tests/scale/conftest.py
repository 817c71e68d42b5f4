"""The service on three hosts: an API on each, a model server on two, and two workers on two, whose homes are apart.

They share one Valkey and one S3. Each host is an address of the loopback network; all run on this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.fleet import Fleet
from latentaug.runtime.settings import load
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis
from tests import object_stores
from tests.model_server.conftest import save_model

SECONDS = 900
"""For a test and for the fleet to start, on a machine that has more to do."""
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
COMPUTING, WORKING = HOSTS[1:], HOSTS[:2]
WORKERS = 2
"""On each host that works."""
LEASE_SECONDS = 3
MODEL = "steady"
"""A model of 8x8 images that no test changes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.scale)
            item.add_marker(pytest.mark.timeout(SECONDS))
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8, and /proc"))


@dataclass(frozen=True)
class Shared:
    """What all hosts share.

    Attributes:
        redis_url: of the one Valkey.
        store: in the one S3.
        environment: variables with which processes reach that.
    """

    redis_url: str
    store: ArtefactStore
    environment: dict[str, str]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("shared")
    with EmbeddedRedis(folder) as redis_url, object_stores.s3() as s3, pytest.MonkeyPatch.context() as patch:
        store = ArtefactStore(object_stores.name(s3.door.url, patch))
        save_model(store, MODEL)
        yield Shared(redis_url, store, object_stores.variables(s3.door.url))


@pytest.fixture(scope="session")
def fleet(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    common = {
        "redis_url": shared.redis_url,
        "store_url": object_stores.URL,
        "lease_seconds": LEASE_SECONDS,
        "drain_seconds": 5,
    }
    with Fleet(tmp_path_factory.mktemp("fleet"), common, shared.environment) as fleet:
        for address in COMPUTING:
            fleet.start_model_server(address)
        for address in HOSTS:
            fleet.start_api(address)
        for address in WORKING:
            for _ in range(WORKERS):
                fleet.start_worker(address, queues='["train", "evaluate"]')
        fleet.wait()
        yield fleet


@pytest.fixture
def apis(fleet: Fleet) -> Iterator[list[httpx.Client]]:
    """A client of each API."""
    assert len(fleet.apis) == len(HOSTS)
    clients = [httpx.Client(base_url=api.url, timeout=60) for api in fleet.apis]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def jobs_settings(shared: Shared) -> object:
    """Settings with which a test looks into Redis itself."""
    return load({}, redis_url=shared.redis_url, lease_seconds=LEASE_SECONDS)
