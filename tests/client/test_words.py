"""What the command line says when the disk, the network or the address is not what it should be."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from latentaug.errors import Unavailable
from service.cli.errors import words
from service.stack.local import local_service
from tests.client.commands import LATENTAUG, run


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a/1.png"), "a/1.png: Permission denied"),
        (OSError("odd"), "odd"),
    ],
)
def test_what_the_system_refuses_is_said_without_its_numbers(error: OSError, said: str) -> None:
    assert words(error, {}).startswith(said)


def test_an_address_that_is_no_service_is_said(url: str, tmp_path: Path) -> None:
    elsewhere = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), elsewhere) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            done = run("--url", f"http://127.0.0.1:{other.server_port}", "models")
        finally:
            other.shutdown()
    assert "no latentaug service; correct --url" in done.stderr
    beside = run("--url", f"{url}/v1", "models")
    assert "give the one of its page as --url" in beside.stderr
    assert "Traceback" not in done.stderr + beside.stderr


def test_a_home_without_room_is_said_at_once(tmp_path: Path) -> None:
    command = ["bash", "-c", 'ulimit -f 256; exec "$@"', "latentaug", *LATENTAUG, "models"]  # as if the disk were full
    own = {**os.environ, "LATENTAUG_HOME": str(tmp_path), "LATENTAUG_PORT": "9", "COLUMNS": "500"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "the disk is full, so no service can start" in done.stderr
    assert f"you may also remove folders of {tmp_path / 'store'}" in done.stderr


def test_a_local_service_that_does_not_start_says_why(url: str, home: Path) -> None:
    with pytest.raises(Unavailable, match="did not become ready: the service already runs in"):
        local_service(home, os.environ).__enter__()
