"""A container with no engine: processes in an image's file system, as confined as docker-compose.yml has them.

They have mounts, process numbers and shared memory of their own, no capability, no way to gain one, and the network of
whoever starts them. An engine would also count their processes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bench.image.buildah import Image

STOP_SECONDS = 60.0
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_INIT = "/dev/init"
_ENTER = """\
mount --bind {root} {root}
cd {root}
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 devices dev
for device in {devices}; do : > dev/$device; mount --bind /dev/$device dev/$device; done
mkdir -m 1777 dev/shm
: > {init}
mount --bind {tini} {init}
{mounts}
mount -o remount,bind,{mode} {root}
exec chroot {root} "$@"
"""


@dataclass(frozen=True)
class Described:
    """How a container is confined.

    Attributes:
        user: the numbers of its user and its group, as in `1:1`.
        volumes: folders of this machine, by where they are mounted.
        memory: options of the file systems in memory, by where they are mounted.
        read_only: whether nothing else can be written.
        hosts: further names of this machine.
    """

    user: str
    volumes: Mapping[str, Path] = field(default_factory=dict)
    memory: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = True
    hosts: Sequence[str] = ()


class Container:
    """A command in a container, from when it is made.

    Args:
        image: whose file system it sees and whose variables are set.
        described: how it is confined.
        command: what runs.
        environment: further variables.
        log: the file that the output is added to.
    """

    def __init__(
        self, image: Image, described: Described, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self._environment = {**image.environment, "HOME": image.folder, **environment}
        user, group = described.user.split(":")
        rights = ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        self._confined = ["setpriv", f"--reuid={user}", f"--regid={group}", *rights, "env", f"--chdir={image.folder}"]
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [*_unshared(image, described), _INIT, "--", *self._confined, *command],
                env=self._environment, stdout=output, stderr=output
            )  # fmt: skip

    def run(self, command: Sequence[str]) -> int:
        """Run a further command in the container, as health checks run; return its exit status.

        Raises:
            ProcessLookupError: the container does not run.
        """
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--ipc", "--root"]
        return subprocess.run([*enter, *self._confined, *command], env=self._environment, check=False).returncode

    @property
    def pid(self) -> int:
        """The container's first process, by its number outside.

        Raises:
            ProcessLookupError: there is none yet, or none any more.
        """
        try:
            first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        except FileNotFoundError:
            first = []
        if not first:
            raise ProcessLookupError("the container has no process")
        return int(first[0])

    def poll(self) -> int | None:
        """Return the exit status, by 128 more than the signal's number where a signal ended it; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; return its exit status."""
        return self._process.wait(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask it to end, as an engine does, within so many seconds; return its exit status.

        Raises:
            ProcessLookupError: the container does not run.
            TimeoutExpired: it has not ended by then.
        """
        os.kill(self.pid, signal.SIGTERM)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _unshared(image: Image, described: Described) -> list[str]:
    """A command that runs its arguments in the image's file system, as root, with namespaces of their own.

    They end with it, and it ends with the thread that starts it.
    """
    script = _ENTER.format(
        root=shlex.quote(str(image.root)),
        devices=" ".join(_DEVICES),
        init=_INIT.lstrip("/"),
        tini=shutil.which("tini"),
        mounts="\n".join(_mounts(described)),
        mode="ro" if described.read_only else "rw",
    )
    own = ["--mount", "--pid", "--ipc", "--fork", "--kill-child", "--propagation=private"]
    return ["setpriv", "--pdeathsig=KILL", "unshare", *own, "sh", "-ec", script, "container"]


def _mounts(described: Described) -> Iterator[str]:
    """The commands that mount what this container has beside its image."""
    for place, folder in described.volumes.items():
        yield f"mount --bind {shlex.quote(str(folder))} .{place}"
    for place, options in described.memory.items():
        yield f"mount -t tmpfs -o {options} memory .{place}"
    names = " ".join(["localhost", *described.hosts])
    yield f"echo 127.0.0.1 {names} > dev/hosts\nmount --bind dev/hosts etc/hosts"
