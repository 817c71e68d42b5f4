from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from latentaug.errors import Conflict
from service.stack.valkey import EmbeddedRedis
from tests.waiting import within

OWNER = """
import sys, time
from pathlib import Path
from service.stack.valkey import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
print(server.start(), server.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def owner(tmp_path: Path) -> tuple[subprocess.Popen[str], str, int]:
    """Another process that has started a server in `tmp_path`, the server's URL and its process id."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        url, pid = lines.readline().split()
    return process, url, int(pid)


def test_it_keeps_what_it_was_told(tmp_path: Path) -> None:
    for i in range(2):
        with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
            assert redis.incr("starts") == i + 1


def test_it_keeps_every_answered_write_when_killed(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with Redis.from_url(server.start()) as redis:
        redis.set("answered", "yes")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    assert within(5, lambda: not server.running())
    server.stop()
    with server, Redis.from_url(server.url) as redis:
        assert redis.get("answered") == b"yes"


def test_only_its_owner_may_enter(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path):
        assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "redis" / "redis.sock").stat().st_mode) == 0o700


def test_it_listens_on_no_port_and_evicts_nothing(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.config_get("port") == {"port": "0"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis.config_get("appendfsync") == {"appendfsync": "always"}


@pytest.mark.parametrize("name", ["a folder with spaces", 'quotes " and \\ too', "x" * 120])
def test_any_home_will_do(tmp_path: Path, name: str) -> None:
    with EmbeddedRedis(tmp_path / name) as url, Redis.from_url(url) as redis:
        assert redis.ping()


def test_the_socket_of_a_long_home_stays_where_it_is_and_is_removed_in_the_end(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("x" * 120))
    with Redis.from_url(server.start()) as redis:
        path = Path(redis.get_connection_kwargs()["path"])
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert within(5, lambda: not server.running())
        server.stop()
        server.start()
        assert redis.ping()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    server.stop()
    assert not path.parent.exists()


def test_a_socket_never_lies_where_others_may_write(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("x" * 120))
    folder = Path(server.url.removeprefix("unix://")).parent
    folder.mkdir()
    folder.chmod(0o777)
    try:
        with pytest.raises(Conflict, match="private folder"):
            server.start()
    finally:
        folder.rmdir()
    with server as url, Redis.from_url(url) as redis:
        assert redis.ping()


def test_a_second_one_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as url:
        with pytest.raises(Conflict, match="stop it first"):
            EmbeddedRedis(tmp_path).start()
        with Redis.from_url(url) as redis:
            assert redis.ping()


def test_it_is_gone_when_its_owner_is_killed(owner: tuple[subprocess.Popen[str], str, int], tmp_path: Path) -> None:
    process, _, pid = owner
    assert alive(pid)
    process.kill()
    process.wait()
    assert within(5, lambda: not alive(pid))
    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.ping()


def test_it_outlives_the_other_children_of_its_owner(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with server, Redis.from_url(server.url) as redis:
        sibling = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        sibling.kill()
        sibling.wait()
        assert redis.ping()


def test_a_server_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    first = EmbeddedRedis(tmp_path)
    with Redis.from_url(first.start()) as redis:
        redis.set("key", "value")
    assert first.pid is not None
    assert first._lock is not None
    os.close(first._lock)  # as the system does for a process that was killed
    first._lock = None
    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.get("key") == b"value"
        assert within(5, lambda: not first.running())
