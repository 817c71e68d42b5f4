"""`python -m service.stack`: everything, on one machine."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import alive, children, within

READY = 90.0


class Stack:
    def __init__(self, home: Path, **variables: str) -> None:
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


def test_nothing_is_left_when_it_is_killed(stack: Stack) -> None:
    below = stack.below()
    assert len(below) >= 7
    stack.process.kill()
    stack.process.wait()
    assert within(15, lambda: not any(alive(pid) for pid in below))
