"""`python -m service.stack`: everything, on one machine."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.chaos import disks
from latentaug.runtime.processes import MISCONFIGURED
from latentaug.storage.objects import ArtefactStore
from service.stack import health
from tests.api import services
from tests.disks import small_disk
from tests.waiting import within
from tests.worker.conftest import alive, children

pytestmark = pytest.mark.slow

READY = 90.0


class Stack:
    def __init__(self, home: Path, stderr: int | None = None, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.stack"],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")},
                "LATENTAUG_HOME": str(home),
                "LATENTAUG_PORT": "0",
                "LATENTAUG_LOG_LEVEL": "warning",
                "LATENTAUG_THREADS": "1",
                "LATENTAUG_DRAIN_SECONDS": "5",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.port = int(self.line.split("://127.0.0.1:")[1].split()[0]) if "://" in self.line else 0

    def ask(self, verb: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(verb, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def below(self) -> dict[int, str]:
        """All processes below it, with their command lines."""
        found: dict[int, str] = {}
        todo = [self.process.pid]
        while todo:
            for pid in children(todo.pop()):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                todo.append(pid)
        return found

    def pid_of(self, words: str) -> int:
        return next(pid for pid, command in self.below().items() if words in command)

    def refusal(self) -> str:
        """What it says on standard error, where it exits with the status for a start that cannot be."""
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            said = stream.read()
        assert self.process.wait(20) in (1, 2)
        assert self.line == "", "it was never ready"
        assert "Traceback" not in said
        return said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


def test_it_does_a_job_starts_again_what_dies_and_stops_clean(stack: Stack, tmp_path: Path) -> None:
    assert "ready" in stack.line
    assert stack.ready()
    below = stack.below()
    for words in ("service.api", "service.model_server", "worker --queue train", "worker --queue evaluate", "valkey"):
        assert any(words in command for command in below.values()), words
    second = Stack(tmp_path)
    assert second.process.wait(10) == 1, "one home, one stack"
    second.close()
    for words in ("service.api", "service.model_server", "worker --queue train", "valkey-server"):
        os.kill(stack.pid_of(words), signal.SIGKILL)
    assert within(READY, lambda: len(stack.below()) >= len(below) and stack.ready())
    status, record = stack.ask("POST", "/v1/jobs/train", {"dataset": "digits", "name": "mine", "epochs": 1})
    assert status == 202
    assert within(READY, lambda: stack.ask("GET", f"/v1/jobs/{record['id']}")[1]["status"] == "succeeded")
    assert stack.ask("GET", "/v1/models/mine")[1]["job_id"] == record["id"]
    below, told = stack.below(), time.monotonic()
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(20) == 0
    assert time.monotonic() - told < 15
    assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize("length", [90, 120])
def test_a_home_with_a_long_path_outlives_its_valkey(tmp_path: Path, length: int) -> None:
    home = tmp_path / ("h" * max(1, length - len(str(tmp_path)) - 1))
    temporary = tempfile.mkdtemp(prefix="la-")
    stack = Stack(home, TMPDIR=temporary)
    try:
        assert stack.ready()
        assert len(os.fsencode(home)) >= length
        for _ in range(2):
            os.kill(stack.pid_of("valkey-server"), signal.SIGKILL)
            assert within(10, lambda: not stack.ready())
            assert within(READY, stack.ready)
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(20) == 0
        assert list(Path(temporary).glob("latentaug*")) == []
    finally:
        stack.close()
        shutil.rmtree(temporary)


def test_a_valkey_that_cannot_start_again_is_tried_until_it_can(stack: Stack, tmp_path: Path) -> None:
    assert stack.ready()
    config = tmp_path / "redis" / "valkey.conf"
    config.unlink()
    config.mkdir()  # as on a full disk, nothing can be written there
    os.kill(stack.pid_of("valkey-server"), signal.SIGKILL)
    assert within(10, lambda: not stack.ready())
    time.sleep(2)
    assert stack.ask("GET", "/healthz")[0] == 200
    config.rmdir()
    assert within(READY, stack.ready)


def test_nothing_is_left_when_it_is_killed(stack: Stack) -> None:
    below = stack.below()
    assert len(below) >= 7
    stack.process.kill()
    stack.process.wait()
    assert within(15, lambda: not any(alive(pid) for pid in below))


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[..., str]]:
    stacks: list[Stack] = []

    def refused(**variables: str) -> str:
        stacks.append(Stack(tmp_path, subprocess.PIPE, **variables))
        return stacks[-1].refusal()

    yield refused
    for stack in stacks:
        stack.close()


def test_a_taken_port_is_refused_before_anything_starts(refused: Callable[..., str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refused(LATENTAUG_PORT=port)
    assert len(said.splitlines()) == 1
    assert f"cannot listen on port {port} of 127.0.0.1" in said
    assert "LATENTAUG_PORT" in said
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"LATENTAUG_API_KEYS": "topsecret:foo"}, "LATENTAUG_API_KEYS has an entry that is not key:scope+scope"),
        ({"LATENTAUG_DEVICE": "abacus"}, "there is no device 'abacus'; LATENTAUG_DEVICE may be one of"),
    ],
)
def test_a_part_that_cannot_start_stops_all(
    refused: Callable[..., str], variables: dict[str, str], reason: str
) -> None:
    said = refused(**variables)
    assert reason in said
    assert "cannot start; fix what it says above" in said.splitlines()[-1]
    assert "topsecret" not in said


@pytest.mark.parametrize("module", ["service.api", "service.model_server", "service.stack", "worker"])
def test_every_process_says_in_a_line_which_setting_is_wrong(module: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, "LATENTAUG_DRAIN_SECONDS": "soon"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == MISCONFIGURED
    assert re.fullmatch(r".*LATENTAUG_DRAIN_SECONDS: Input should be a valid number, .*\n", ended.stderr)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-nothing\r\n", b"HTTP/1.1 503 Busy\r\n\r\n"])
def test_what_answers_otherwise_is_not_ready(answer: bytes) -> None:
    def reply() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        replying = threading.Thread(target=reply)
        replying.start()
        assert not health.ready(f"http://127.0.0.1:{listener.getsockname()[1]}")
        replying.join()


def test_a_full_disk_stops_no_inference_and_heals_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", megabytes=48) as disk:
        services.save_model(ArtefactStore((disk / "store").as_uri()), "tiny", 12, 10, 1)
        stack = Stack(disk)
        try:
            assert stack.ready()
            status, waiting = stack.ask("POST", "/v1/jobs/train", {"dataset": "digits", "epochs": 1})
            assert status == 202
            with disks.full(disk):
                assert within(20, lambda: "no room is left" in stack.ask("GET", "/readyz")[1].get("detail", ""))
                for _ in range(20):
                    assert stack.ask("GET", "/healthz")[0] == 200
                    assert stack.ask("POST", "/v1/models/tiny/decode", {"latents": [[0.0, 0.0, 0.0, 0.0]]})[0] == 200
                    assert stack.ask("POST", "/v1/jobs/train", {"dataset": "digits"})[0] in (503, 507)
                    time.sleep(0.5)
                assert stack.process.poll() is None
            assert within(READY, stack.ready)
            assert within(READY, lambda: _ended_and_why(stack, waiting["id"]) in ("succeeded", "not_stored"))
        finally:
            stack.close()


def _ended_and_why(stack: Stack, job_id: str) -> str:
    """A job's status, or the code of its error: one that ends while there is no room fails, and says so."""
    record = stack.ask("GET", f"/v1/jobs/{job_id}")[1]
    return str(record["error"]["code"] if record["error"] else record["status"])
