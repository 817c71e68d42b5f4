"""The service as some commit of it was: its processes run from a folder with the files of that commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from latentaug.runtime.lifeline import tied
from tests.waiting import within

ROOT = Path(__file__).parents[2]
PACKAGES = ("latentaug", "service", "worker", "client")
READY_SECONDS = 120.0
STOP_SECONDS = 60.0


def files_of(commit: str, folder: Path) -> Path:
    """Put the packages of a commit into a folder; skip the test where the history does not reach that far back."""
    try:
        made = subprocess.run(["git", "-C", ROOT, "archive", commit, *PACKAGES], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs the history of main: clone it whole, or type git fetch --unshallow")
    subprocess.run(["tar", "-x", "-C", folder], input=made.stdout, check=True)
    return folder


class Program:
    """A module of a release, run as a process.

    Args:
        release: the folder of the release.
        module: the module.
        variables: settings by name, such as `PORT`.
    """

    def __init__(self, release: Path, module: str, variables: Mapping[str, object]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        settings = {"LOG_LEVEL": "warning", "THREADS": 1, "DRAIN_SECONDS": 10, **variables}
        own = {f"LATENTAUG_{name}": str(value) for name, value in settings.items()}
        paths = {"PYTHONPATH": f"{release}{os.pathsep}{release / 'client'}", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(tied([sys.executable, "-m", module]), cwd=release, env=inherited | own | paths)

    def stop(self) -> int:
        """Tell it to stop; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running(release: Path, module: str, **variables: object) -> Iterator[Program]:
    """A module of a release, for as long as the block lasts."""
    program = Program(release, module, variables)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.stop()


def wait_until_ready(client: httpx.Client, program: Program) -> None:
    """Wait until the API that a client asks says that the service can do its work."""

    def ready() -> bool:
        assert program.process.poll() is None, "it has ended"
        with suppress(httpx.TransportError):
            return client.get("/readyz").status_code == 200
        return False

    assert within(READY_SECONDS, ready), "it is not ready"
