"""An embedded Valkey whose disk is full comes back by itself once there is room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from bench.chaos import disks
from latentaug.runtime import processes
from service.stack import revival
from service.stack.revival import Revival
from service.stack.valkey import EmbeddedRedis
from tests.disks import small_disk
from tests.waiting import within

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=16) as disk:
        yield disk


def write_on(redis: Redis) -> None:
    for number in range(1000):
        redis.set(f"{number}", "x" * 1000)


def test_it_waits_for_room_and_keeps_what_it_had_answered(
    disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revival, "LONGEST_PAUSE", 1.0)
    server = EmbeddedRedis(disk)
    with server as url, Redis.from_url(url) as redis:
        keeping = Revival(server, disk)
        redis.set("answered", "yes")
        with disks.full(disk):
            with pytest.raises(RedisConnectionError):
                write_on(redis)
            assert within(5, lambda: not server.running())

            starts = 0
            until = time.monotonic() + 4
            while time.monotonic() < until:
                keeping.look()
                starts += server.running()
                time.sleep(0.05)
            assert starts == 0, "without room it would end again"
            assert "make room there" in caplog.text
            assert len(caplog.records) < 10, "it is not tried in a loop"

        def back() -> bool:
            keeping.look()
            return server.running()

        assert within(5, back)
        assert redis.get("answered") == b"yes"
        assert redis.set("again", "yes")


def test_the_pause_grows_while_it_does_not_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revival, "FIRST_PAUSE", 0.1)
    server = EmbeddedRedis(tmp_path)
    with server:
        keeping = Revival(server, tmp_path)
        pauses = []
        for _ in range(4):
            assert server.pid is not None
            assert server._process is not None
            server._process.kill()
            server._process.wait()
            ended = time.monotonic()

            def back() -> bool:
                keeping.look()
                return server.running()

            assert within(processes.LONGEST_PAUSE, back)
            pauses.append(time.monotonic() - ended)
    assert pauses[3] > 2 * pauses[0]
