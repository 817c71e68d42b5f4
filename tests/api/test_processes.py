"""Several API processes at one port: what they count and allow together, and what happens where one of them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from latentaug.runtime.settings import Settings
from service.api.processes import share
from tests.api import services
from tests.api.bodies import NPY, TINY, npy, pictures
from tests.api.services import Home
from tests.waiting import within
from tests.worker.conftest import alive, children

PROCESSES = 2
REQUESTS = 60
CALLERS = 8
ON_ITS_WAY = 0.1
"""Seconds before the signal by which a request must have been sent to have been begun for certain."""


def test_they_share_out_what_is_allowed_at_once() -> None:
    one = share(Settings(api_processes=4, max_connections=1000, max_held_bytes=2**30))

    assert (one.max_connections, one.max_held_bytes) == (250, 2**28)
    assert share(Settings(api_processes=4, max_connections=1)).max_connections == 1


class Running:
    """`python -m service.api` with several processes."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, temporary: Path) -> None:
        self.process, self.url, self.temporary = process, url, temporary

    @property
    def children(self) -> list[int]:
        return children(self.process.pid)

    def get(self, path: str) -> httpx.Response:
        """Ask over a connection of its own, which may reach any of the processes."""
        return httpx.get(self.url + path, timeout=30)

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def telling(self) -> int:
        """How many processes tell their metrics."""
        return self.get("/metrics").text.count("\nprocess_start_time_seconds{")

    def counted(self, route: str) -> dict[str, float]:
        """How many requests for a route each process has answered."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        return {
            sample.labels["process"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "http_requests_total" and sample.labels["route"] == route
        }


@pytest.fixture
def running(home: Home, api: httpx.Client) -> Iterator[Running]:
    """Those of a test, beside the API that all tests share with its model server."""
    port = services.free_port()
    environment = home.environment(port=port, api_processes=PROCESSES, log_level="warning")
    with (
        tempfile.TemporaryDirectory(prefix="la-") as temporary,
        services.process("service.api", {**environment, "TMPDIR": temporary}) as process,
    ):
        running = Running(process, f"http://127.0.0.1:{port}", Path(temporary))
        services.wait_until(lambda: running.answers() and running.get("/readyz").status_code == 200)
        assert within(20, lambda: running.telling == PROCESSES)
        yield running


@pytest.mark.slow
def test_whichever_is_asked_tells_what_all_have_answered(running: Running) -> None:
    before = running.counted("/healthz")
    for _ in range(REQUESTS):
        assert running.get("/healthz").status_code == 200
    after = running.counted("/healthz")

    assert sum(after.values()) - sum(before.values()) == REQUESTS
    assert set(after) <= {str(number) for number in range(PROCESSES)}
    assert running.telling == PROCESSES
    assert running.get("/metrics").text.count("# TYPE jobs gauge") == 1


@pytest.mark.slow
def test_a_callers_rate_holds_for_all_of_them_together(home: Home, empty_redis: None) -> None:
    with services.api(home, api_processes=PROCESSES, rate_limit="40/hour") as client:
        statuses = [httpx.get(client.base_url.join("/v1/models")).status_code for _ in range(60)]

    assert 20 <= statuses.count(200) <= 40  # each process takes a little in advance
    assert set(statuses) == {200, 429}


@pytest.mark.slow
def test_one_that_is_killed_is_started_again_while_the_others_answer(running: Running) -> None:
    old = running.children
    assert len(old) == PROCESSES
    os.kill(old[0], signal.SIGKILL)

    assert within(20, lambda: not alive(old[0]))
    assert [running.get("/healthz").status_code for _ in range(20)] == [200] * 20
    assert within(20, lambda: running.telling == PROCESSES)
    assert len(running.children) == PROCESSES
    assert old[1] in running.children


@pytest.mark.slow
def test_at_the_end_what_was_begun_is_answered_and_no_process_is_left(running: Running) -> None:
    pids = running.children
    url, body = f"{running.url}{TINY}/augment?k=8", npy(pictures(64))
    begun, over = list[tuple[float, int]](), threading.Event()

    def ask() -> None:
        status = 200
        with httpx.Client(timeout=30, headers={"Content-Type": NPY, "Accept": NPY}) as client:
            while status == 200 and not over.is_set():
                began = time.monotonic()
                try:
                    status = client.post(url, content=body).status_code
                except httpx.TransportError:
                    status = 0
                begun.append((began, status))

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(2)
    told = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    time.sleep(ON_ITS_WAY)
    over.set()
    for caller in callers:
        caller.join()

    statuses = [status for began, status in begun if began < told - ON_ITS_WAY]
    assert len(statuses) >= CALLERS
    assert set(statuses) == {200}
    assert running.process.wait(20) == 0
    assert not any(alive(pid) for pid in pids)
    assert not running.answers()
    assert not list(running.temporary.iterdir())


@pytest.mark.slow
def test_where_their_sockets_would_have_too_long_a_path_they_do_not_start(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    environment = home.environment(port=services.free_port(), api_processes=PROCESSES) | {"TMPDIR": str(folder)}
    ended = subprocess.run([sys.executable, "-m", "service.api"], env=environment, capture_output=True, check=False)

    assert ended.returncode == 2
    assert b"set a shorter TMPDIR" in ended.stderr


@pytest.mark.slow
def test_they_end_with_the_process_that_started_them(running: Running) -> None:
    pids = running.children
    running.process.kill()

    assert within(20, lambda: not any(alive(pid) for pid in pids))
