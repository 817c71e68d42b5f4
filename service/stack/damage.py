"""Repairs the log of an embedded Valkey that a crash of the machine or a full disk has cut short or damaged."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

LOG = "appendonlydir"
"""Name of the folder with Valkey's log of all writes."""
SECONDS = 120.0
"""Seconds within which a log must have been checked."""


def repair(folder: Path, server: Path) -> str | None:
    """Make Valkey's log readable again: without its damaged end or, where its beginning is damaged, an empty one.

    What was there before is kept beside it.

    Args:
        folder: where the log is.
        server: Valkey's program, which is also the one that checks logs.

    Returns:
        What was lost, or None where the log is not damaged.

    Raises:
        OSError: there is no room to keep what was there before.
    """
    log = folder / LOG
    if not log.is_dir() or _readable(log, server) is not False:
        return None
    kept = folder / f"{LOG}-damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    before = _size(log)
    _copy(log, kept)
    if _readable(log, server, "--fix") is not False:
        lost = (
            f"its last {before - _size(log):,} bytes were cut off. Jobs that were submitted or changed just before are "
            "perhaps missing or as they were: look through the list of jobs, and submit again what is missing"
        )
    else:
        shutil.rmtree(log)
        lost = (
            "nothing in it could be used, and it begins empty. Jobs that waited or ran are lost: submit them again. "
            "Ended jobs, models and data sets are all there"
        )
    return f"the log of the embedded Valkey was damaged: {lost}. The damaged log is kept as {kept}; delete it any time"


def _readable(log: Path, server: Path, *options: str) -> bool | None:
    """Whether Valkey can read its log, which `--fix` cuts off where it cannot; None if that takes too long to tell."""
    command = ["valkey-check-aof", *options, str(log / "appendonly.aof.manifest")]
    try:
        done = subprocess.run(  # noqa: S603 (the program is Valkey's own; it goes by the name that it is called by)
            command, executable=server, input=b"y\n", capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode == 0


def _copy(log: Path, kept: Path) -> None:
    try:
        shutil.copytree(log, kept)
    except OSError:
        shutil.rmtree(kept, ignore_errors=True)
        raise


def _size(log: Path) -> int:
    return sum(file.stat().st_size for file in log.iterdir())
