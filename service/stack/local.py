"""The whole service as a process of its own, for as long as a `with` block lasts: for the command line and examples."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from latentaug.errors import Unavailable
from latentaug.runtime.lifeline import tied
from service.stack import ports
from service.stack.run import answers_ready

HOST = "127.0.0.1"
START_TIMEOUT = 90.0  # seconds, the first imports on a cold disk included
STOP_TIMEOUT = 60.0  # seconds
POLL = 0.2  # seconds


@contextmanager
def local_service(home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start `python -m service.stack` on a free port, give its URL once it is ready, and stop it again.

    Args:
        home: folder for what the service writes; its log is `service.log` in there.
        environment: of the service, whole; its home, host and port are set here.

    Raises:
        Unavailable: it does not become ready, or does not stop.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = ports.free(HOST)
    own = {"LATENTAUG_HOME": str(home), "LATENTAUG_HOST": HOST, "LATENTAUG_PORT": str(port)}
    with (home / "service.log").open("wb") as log:
        command = tied([sys.executable, "-m", "service.stack"])
        stack = subprocess.Popen(command, env={**environment, **own}, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait(stack, port, home)
            yield f"http://{HOST}:{port}"
        finally:
            _stop(stack)


def _wait(stack: subprocess.Popen[bytes], port: int, home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not answers_ready(HOST, port):
        if stack.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"the service did not become ready; see {home / 'service.log'}")
        time.sleep(POLL)


def _stop(stack: subprocess.Popen[bytes]) -> None:
    stack.send_signal(signal.SIGTERM)
    try:
        stack.wait(timeout=STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        stack.kill()
        raise Unavailable("the service had to be killed; that is a fault worth reporting") from None
