"""What is done to the service: its processes are killed, told to stop or stopped dead, and its disks fail."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.chaos import disks, parts
from bench.chaos.ledger import Ledger
from bench.chaos.parts import PARTS, Part
from bench.chaos.stack import Stack

FIND_SECONDS = 30.0
"""Longest wait for a process of the part that is wanted: a job's, where none runs just now."""
END_SECONDS = 60.0
"""Longest wait for a process that was told to stop."""
STILL = (1.0, 8.0)
"""Fewest and most seconds that a process stands still. Some of them are longer than the wait for an answer of Redis."""
STILL_AT_WORK = (1.0, 25.0)
"""The same for what does jobs. Some of them are longer than a lease."""
AT_WORK: tuple[Part, ...] = ("worker", "queue", "fork server", "job")
"""The parts that do jobs."""
BROKEN_DISK = (2.0, 8.0)
"""Fewest and most seconds for which a disk is full or read-only."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: in words.
        happen: does it and returns once it is over, with whether there was anything to do it to.
        lasts: whether it goes on for a while and then ends, so that healing begins only at its end.
    """

    name: str
    happen: Callable[[Stack, random.Random], bool]
    lasts: bool = False


def killed(part: Part) -> Fault:
    """A process is killed with no time to clean up."""
    return Fault(f"{part} killed", lambda stack, rng: _end(stack, part, rng, signal.SIGKILL))


def told_to_stop(part: Part) -> Fault:
    """A process is told to stop."""
    return Fault(f"{part} told to stop", lambda stack, rng: _end(stack, part, rng, signal.SIGTERM))


def stands_still(part: Part, seconds: tuple[float, float]) -> Fault:
    """A process stands still for a while, as under a debugger or on a machine that was suspended."""

    def happen(stack: Stack, rng: random.Random) -> bool:
        pid = _one(stack, part, rng)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(rng.uniform(*seconds))
            os.kill(pid, signal.SIGCONT)
        return True

    return Fault(f"{part} stands still", happen, lasts=True)


def left_standing(held: Sequence[Part]) -> Fault:
    """A process of each of these parts stands still, and nobody lets it go on."""

    def happen(stack: Stack, rng: random.Random) -> bool:
        done = [_signal(stack, part, rng, signal.SIGSTOP) for part in held]
        return all(done)

    return Fault(f"{', '.join(held)} left standing", happen)


def full(what: str, folder: Path, ledger: Ledger, seconds: tuple[float, float] = BROKEN_DISK) -> Fault:
    """The disk of `folder` has no room for a while."""
    return _disk(f"{what} full", lambda: disks.full(folder), ledger, seconds)


def read_only(what: str, folder: Path, ledger: Ledger, seconds: tuple[float, float] = BROKEN_DISK) -> Fault:
    """Nobody can write to the disk that is mounted at `folder` for a while."""
    return _disk(f"{what} read-only", lambda: disks.read_only(folder), ledger, seconds)


def of_processes(at_work: tuple[float, float] = STILL_AT_WORK) -> Sequence[Fault]:
    """Every fault of a process; those that do jobs stand still for as long as `at_work` says."""
    orderly: tuple[Part, ...] = ("stack", "API", "model server", "worker")
    return [
        *(killed(part) for part in PARTS),
        *(told_to_stop(part) for part in orderly),
        *(stands_still(part, at_work if part in AT_WORK else STILL) for part in PARTS),
    ]


def of_disks(home: Path, store: Path, ledger: Ledger) -> Sequence[Fault]:
    """Every fault of the disks that the home and the store are on."""
    return [full("home", home, ledger), full("store", store, ledger), read_only("store", store, ledger)]


def _disk(
    name: str, broken: Callable[[], AbstractContextManager[None]], ledger: Ledger, seconds: tuple[float, float]
) -> Fault:
    def happen(_: Stack, rng: random.Random) -> bool:
        ledger.disk_broken()
        try:
            with broken():
                time.sleep(rng.uniform(*seconds))
        finally:
            ledger.disk_mended()
        return True

    return Fault(name, happen, lasts=True)


def _signal(stack: Stack, part: Part, rng: random.Random, number: signal.Signals) -> bool:
    pid = _one(stack, part, rng)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return True


def _end(stack: Stack, part: Part, rng: random.Random, number: signal.Signals) -> bool:
    """End a process by a signal, and wait until it has ended, for it may finish what it has begun before that."""
    pid = _one(stack, part, rng)
    if pid is None:
        return False
    deadline = time.monotonic() + END_SECONDS
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    while parts.there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return True


def _one(stack: Stack, part: Part, rng: random.Random) -> int | None:
    """A process of this part; None if there is none for a long time."""
    deadline = time.monotonic() + FIND_SECONDS
    while time.monotonic() < deadline:
        if found := stack.parts()[part]:
            return rng.choice(found)
        time.sleep(0.1)
    return None
