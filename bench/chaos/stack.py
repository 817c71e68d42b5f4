"""The service as a service manager runs it: `python -m service.stack`, started again whenever it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from bench.chaos import parts
from bench.chaos.parts import Part
from latentaug.runtime.lifeline import tied
from service.stack import health, ports

HOST = "127.0.0.1"
READY_SECONDS = 120.0
"""Seconds within which a first start must be ready."""
STOP_SECONDS = 60.0
PAUSE = 1.0
"""Seconds until it is started again, as in systemd's `RestartSec`."""
POLL = 0.1


class Stack:
    """The service, for as long as a `with` block lasts.

    Args:
        home: its folder.
        log: the file that all of its processes log to, outside of the home, whose disk may be full.
        settings: further settings by name, such as `LEASE_SECONDS`.
        environment: further environment variables of all its processes.
        within: a command that runs its arguments, such as `nice`, to run it within.
    """

    def __init__(
        self,
        home: Path,
        log: Path,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.home, self.log = home, log
        self._port = ports.free(HOST)
        self.url = health.url(HOST, self._port)
        own = {"HOME": str(home), "HOST": HOST, "PORT": str(self._port), "LOG_LEVEL": "warning", "THREADS": "1"}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        self._environment |= {f"LATENTAUG_{name}": value for name, value in {**own, **(settings or {})}.items()}
        self._environment |= environment or {}
        self._command = [*within, sys.executable, "-m", "service.stack"]
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        # One thread starts it each time, and lives as long as we do: it is the thread that the kernel ties it to.
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    @property
    def pid(self) -> int:
        """The stack's own process, or the last one where it has just ended."""
        while self._process is None:
            time.sleep(POLL)
        return self._process.pid

    def parts(self) -> dict[Part, list[int]]:
        """The processes that run now, by what they do."""
        return parts.find(self.pid)

    def ready(self) -> bool:
        """Whether it says that it can do its work."""
        return health.ready(self.url)

    def stop(self) -> int:
        """Tell it to stop, and return its exit status."""
        self._over.set()
        self._keeper.join()
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __enter__(self) -> Stack:
        self.home.mkdir(parents=True, exist_ok=True)
        self._keeper.start()
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready():
            if time.monotonic() > deadline:
                self.stop()
                raise SystemExit(f"the service was not ready within {READY_SECONDS:.0f} s; {self.log} says why")
            time.sleep(POLL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _keep(self) -> None:
        self._start()
        while not self._over.wait(POLL):
            assert self._process is not None
            if self._process.poll() is not None and not self._over.wait(PAUSE):
                self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(tied(self._command), env=self._environment, stdout=log, stderr=log)
