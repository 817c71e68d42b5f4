"""Several of each part, as processes of this machine that share one Valkey and one store.

What would be on one host has a loopback address and a home of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from latentaug.runtime.lifeline import tied
from service.stack import health, ports

READY_SECONDS = 120.0
"""Seconds within which a part must answer; the machine may have more to do."""
STOP_SECONDS = 30.0
POLL = 0.05
_READY = {"service.api": "/readyz", "service.model_server": "/v2/health/ready"}


class Part:
    """One part, which is started, stopped and killed on its own, with all processes that it starts itself.

    Args:
        module: what runs, as after `python -m`.
        log: the file that it logs to.
        settings: its settings by name, such as `redis_url`.
        environment: further environment variables.
        within: a command that runs its arguments, such as `taskset`, to run it within.
    """

    def __init__(
        self,
        module: str,
        log: Path,
        settings: Mapping[str, object],
        environment: Mapping[str, str],
        within: Sequence[str] = (),
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        own = {f"LATENTAUG_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {**inherited, **environment, **own}
        self._command = [*within, sys.executable, "-m", module]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a session of its own, which all processes that it starts are in."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                tied(self._command), env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its first process, which all others come from."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> list[int]:
        """Its processes, as far as they live."""
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _session(pid) == self.pid]

    def stop(self) -> None:
        """Tell it to stop, and wait until it has.

        Raises:
            SystemExit: it has not in time.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise SystemExit(f"{self._command} did not stop within {STOP_SECONDS:.0f} s; see {self._log}") from error

    def kill(self) -> None:
        """End all of its processes with no time to clean up."""
        if self._process is None:
            return
        while pids := self.pids():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
            time.sleep(POLL)


class Listening(Part):
    """A part that answers HTTP: an API or a model server.

    Args:
        module: as for `Part`, like the others.
        address: the loopback address of its host.
    """

    def __init__(
        self, module: str, address: str, log: Path, settings: Mapping[str, object], environment: Mapping[str, str]
    ) -> None:
        port = ports.free(address)
        self.url = health.url(address, port)
        own = {"host": address, "port": port} if module == "service.api" else {"model_server_url": self.url}
        super().__init__(module, log, {**settings, **own}, environment)
        self._path = _READY[module]

    def ready(self) -> bool:
        """Whether it says that it can do its work."""
        return health.answers(self.url, self._path)

    def wait(self, path: str | None = None) -> None:
        """Wait until it answers 200 at a path, by default until it is ready.

        Raises:
            SystemExit: it has not in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not health.answers(self.url, path or self._path):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.url} did not answer in time; see {self._log}")
            time.sleep(POLL)


class Fleet:
    """All parts. At the end of a `with` block none is left.

    Args:
        folder: where homes and logs are.
        settings: what all parts have in common: at least `redis_url` and `store_url`.
        environment: further environment variables of all parts.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = {"threads": 1, "log_level": "warning", **settings}
        self._environment = {**environment, "OMP_NUM_THREADS": "1"}
        self.apis, self.model_servers, self.workers = list[Listening](), list[Listening](), list[Part]()

    def start_model_server(self, address: str) -> None:
        """Start a model server on the host of this address."""
        self.model_servers.append(self._listening("service.model_server", address, {}))

    def start_api(self, address: str, **settings: object) -> None:
        """Start an API on the host of this address, which asks all model servers that there are so far."""
        urls = ",".join(server.url for server in self.model_servers)
        known = {"model_server_url": urls} if urls else {}
        self.apis.append(self._listening("service.api", address, {**known, **settings}))

    def start_worker(self, address: str, within: Sequence[str] = (), **settings: object) -> None:
        """Start a worker on the host of this address."""
        home, number = self._home(address), len(self.workers)
        own = {**self._settings, "home": home, **settings}
        worker = Part("worker", self._folder / f"worker-{number}.log", own, self._environment, within)
        worker.start()
        self.workers.append(worker)

    def wait(self) -> None:
        """Wait until all APIs and model servers are ready."""
        for part in (*self.model_servers, *self.apis):
            part.wait()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (*self.workers, *self.apis, *self.model_servers):
            part.kill()

    def _listening(self, module: str, address: str, settings: Mapping[str, object]) -> Listening:
        own = {**self._settings, "home": self._home(address), **settings}
        part = Listening(module, address, self._folder / f"{module}-{address}.log", own, self._environment)
        part.start()
        return part

    def _home(self, address: str) -> Path:
        home = self._folder / address
        home.mkdir(exist_ok=True)
        return home


def _session(pid: int) -> int | None:
    """The session that a process is in; None if it has ended."""
    try:
        state, _, _, session, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(session)
