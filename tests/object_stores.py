"""Object stores for tests: one that need not be there, and a real one that can be taken away and given back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from latentaug.runtime.lifeline import tied
from service.stack import ports
from tests.relay import HOST
from tests.waiting import within

URL = "s3://bucket/prefix"
START_SECONDS = 60.0


def variables(endpoint: str) -> dict[str, str]:
    """What has a process ask for object stores at this address, with any key."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }


def name(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have this process ask for object stores at this address; return the URL of one."""
    for variable, value in variables(endpoint).items():
        monkeypatch.setenv(variable, value)
    return URL


class Listening:
    """A module that listens on a port, in a process of its own, for as long as a `with` block lasts."""

    def __init__(self, port: int, *arguments: str) -> None:
        self.url = f"http://{HOST}:{port}"
        self._command = tied([sys.executable, "-m", *arguments])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert within(START_SECONDS, self._answers), f"{self._command} does not answer"

    def kill(self) -> None:
        """End it with no time to clean up."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Listening:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            httpx.get(self.url, timeout=5)
            return True
        return False


class S3:
    """A server that speaks S3 and has a bucket, and the door through which callers reach it.

    The server keeps its files in memory. What is killed is therefore the door, a process of its own: to callers it is
    the same, as connections break in the middle of a request and new ones are refused.

    Attributes:
        server: has the files.
        door: listens where callers ask.
    """

    def __init__(self, server: Listening, door: Listening) -> None:
        self.server, self.door = server, door


@contextmanager
def s3() -> Iterator[S3]:
    """A server that speaks S3, for as long as the block lasts."""
    inner, outer = ports.free(HOST), ports.free(HOST)
    server = Listening(inner, "moto.server", "--host", HOST, "--port", str(inner))
    door = Listening(outer, "tests.relay", str(outer), str(inner))
    with server, door:
        bucket = URL.split("/")[2]
        made = httpx.put(f"{server.url}/{bucket}")
        assert made.status_code == 200, made.text
        yield S3(server, door)
