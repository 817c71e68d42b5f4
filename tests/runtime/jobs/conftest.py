from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedRedis(tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, store_url: str) -> Settings:
    return Settings(
        home=tmp_path,
        redis_url=redis_url,
        store_url=store_url,
        max_queued_jobs=5,
        max_attempts=2,
        lease_seconds=3,
    )


@pytest.fixture
def artefacts(settings: Settings) -> ArtefactStore:
    return ArtefactStore(settings.resolved_store_url)


@pytest.fixture
def jobs(settings: Settings, artefacts: ArtefactStore) -> Iterator[Attempts]:
    with connect(settings) as redis:
        redis.flushall()
        yield Attempts(redis, artefacts, settings)
