"""Without Redis: what has ended can still be read, all else says that it cannot be done now."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from latentaug.errors import NotFound, Unavailable
from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis


def test_connecting_without_a_url_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="LATENTAUG_REDIS_URL"):
        connect(Settings(home=tmp_path))


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_connecting_to_nobody_fails_soon(tmp_path: Path, url: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        connect(Settings(home=tmp_path, redis_url=url))
    assert time.monotonic() - started < 3


def test_an_ended_job_can_be_read_and_an_unfinished_one_is_unavailable(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    settings = Settings(home=tmp_path, redis_url=server.start())
    with connect(settings) as redis:
        jobs = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
        waiting, _ = jobs.create("train", {})
        ended = jobs.cancel(jobs.create("train", {})[0].id)
        server.stop()
        started = time.monotonic()
        assert jobs.get(ended.id) == ended
        assert [event.type for event in jobs.events(ended.id)] == ["end"]
        for refused in (
            lambda: jobs.get(waiting.id),
            lambda: jobs.events(waiting.id),
            lambda: jobs.cancel(waiting.id),
            lambda: jobs.create("train", {}),
            lambda: jobs.claim(waiting.id, 1),
            lambda: jobs.renew(waiting.id, 1),
            jobs.list,
            jobs.counts,
            jobs.unfinished,
        ):
            with pytest.raises(Unavailable) as error:
                refused()
            assert error.value.retry_after
        with pytest.raises(NotFound):
            jobs.get("nonsense")
        assert time.monotonic() - started < 3
        with server:
            assert jobs.get(waiting.id) == waiting
