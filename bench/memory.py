"""Memory of the running service's processes, read from `/proc`, so on Linux only."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

AVAILABLE = Path("/proc/self/statm").exists()
PARTS = {"API": "service.api", "model server": "service.model_server"}
WORKER, FORK_SERVER, JOB = "worker", "fork server", "job"
OFTEN = 0.1
"""Seconds between two looks at the peaks, so that those of a process that ends are not missed."""
_RESET_PEAK = "5"  # of clear_refs, as proc(5) has it


def resident() -> dict[str, int]:
    """Return the bytes in memory of the API and of the model server that this process has started, by name."""
    commands = {pid: command(pid) for pid in descendants(os.getpid())}
    return {
        name: sum(_resident(pid) for pid, words in commands.items() if words[1:3] == ["-m", module])
        for name, module in PARTS.items()
    }


@contextmanager
def peaks(without: Collection[int] = (), *, apart: bool = False) -> Iterator[dict[str, int]]:
    """Watch what this process has started; at the end of the `with` block the most bytes in memory, by part.

    A part is the API, the model server, the worker with the processes of its queues, the fork server, or a job.
    The peaks of its processes are added up, so that pages which they share count more than once.

    Args:
        without: processes that are not looked at.
        apart: whether only a process's own memory counts, without pages of files; looked at now and then.
    """
    found, highest = dict[str, int](), dict[int, tuple[str, int]]()  # the latter by process
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)

    def look() -> None:
        for pid in set(descendants(os.getpid())).difference(without):
            if (part := part_of(pid)) is not None and (peak := anonymous(pid) if apart else _peak(pid)):
                highest[pid] = part, max(peak, highest[pid][1] if apart and pid in highest else 0)

    try:
        with _often(look):
            yield found
    finally:
        for part, peak in highest.values():
            found[part] = found.get(part, 0) + peak


@contextmanager
def own() -> Iterator[dict[str, int]]:
    """Watch this process; at the end of the `with` block its most bytes: `own` memory, and all that is `resident`.

    Pages of mapped files are resident, but not the process's own: the system takes them away where it needs the room.
    """
    found = {"own": 0}

    def look() -> None:
        found["own"] = max(found["own"], anonymous(os.getpid()))

    try:
        with _often(look):
            yield found
    finally:
        found["resident"] = _peak(os.getpid())


@contextmanager
def _often(look: Callable[[], None]) -> Iterator[None]:
    """Look again and again, in a thread, for as long as a `with` block lasts, and once more at its end."""
    over = Event()

    def watch() -> None:
        while not over.wait(OFTEN):
            look()

    thread = Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()


def anonymous(pid: int) -> int:
    """The bytes of a process's own memory; 0 where it has ended."""
    return _status(pid, "RssAnon")


def forked(pid: int) -> bool:
    """Whether a process has been forked and still has its parent's command line, as the processes of jobs have."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return False
    return command(parent) == command(pid) != []


def descendants(root: int) -> list[int]:
    """The processes that `root` has started, directly or through others."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, pending = list[int](), [root]
    while pending:
        young = children.get(pending.pop(), [])
        found += young
        pending += young
    return found


def command(pid: int) -> list[str]:
    """The words of a process's command line; none once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def part_of(pid: int) -> str | None:
    """Which part of the service a process is; None for what only starts others, and for the embedded Valkey."""
    words, modules = command(pid), PARTS | {WORKER: "worker", FORK_SERVER: "worker.fork_server"}
    part = next((name for name, module in modules.items() if words[1:3] == ["-m", module]), None)
    return JOB if part == FORK_SERVER and forked(pid) else part


def _peak(pid: int) -> int:
    """The most bytes that a process has had in memory since its peak was set back; 0 where it has ended."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
