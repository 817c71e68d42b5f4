"""Repairs the log of an embedded Valkey that a crash of the machine or a full disk has cut short or damaged."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

LOG = "appendonlydir"
"""Name of the folder with Valkey's log of all writes: what stood at its beginning, and what was written since."""
_PARTS = re.compile(r"^file (\S+) seq \d+ type [bi]", re.MULTILINE)
"""Names in the log's list of its files: the beginning, and then what was written since, in order."""
_CHECKERS = {".rdb": "valkey-check-rdb", ".aof": "valkey-check-aof"}
"""Names by which Valkey's program checks a file instead of serving, by the file's kind."""
SECONDS = 120.0
"""Seconds within which a file must have been checked."""


def repair(folder: Path, server: Path) -> str | None:
    """Make Valkey's log readable again: without its damaged end or, where more than that is damaged, an empty one.

    What was there before is kept beside it.

    Args:
        folder: where the log is.
        server: Valkey's program, which is also the one that checks logs.

    Returns:
        What was lost, or None where the log is not damaged, or that could not be found out in time.

    Raises:
        OSError: there is no room to keep what was there before.
    """
    log = folder / LOG
    if not log.is_dir():
        return None
    try:
        parts = _parts(log)
        damaged = [part for part in parts if not _sound(part, server)]
        if parts and not damaged:
            return None
        kept = _copy(log)
        if damaged == parts[-1:] and (cut := _cut(parts[-1], server)):
            lost = (
                f"its last {cut:,} bytes were cut off. Jobs that were submitted or changed just before are perhaps "
                "missing, or as they were: look through the list of jobs, and submit again what is missing"
            )
        else:
            shutil.rmtree(log)
            lost = (
                "it begins empty, as nothing in it could be used. Jobs that waited or ran are lost: submit them again. "
                "Ended jobs, models and data sets are all there"
            )
    except subprocess.TimeoutExpired:
        return None
    return f"the log of the embedded Valkey was damaged: {lost}. The damaged log is kept as {kept}; delete it any time"


def _parts(log: Path) -> list[Path]:
    """The files of the log, in the order in which they are read; none where even their list is damaged."""
    try:
        listed = (log / "appendonly.aof.manifest").read_text()
    except (OSError, UnicodeDecodeError):
        return []
    return [log / name for name in _PARTS.findall(listed)]


def _sound(part: Path, server: Path, *options: str) -> bool:
    """Whether Valkey can read one file to its end, or has made it so that it can."""
    command = [_CHECKERS[part.suffix], *options, str(part)]
    done = subprocess.run(  # noqa: S603 (the program is Valkey's own; it does what it is called by)
        command, executable=server, input=b"y\n", capture_output=True, timeout=SECONDS, check=False
    )
    return done.returncode == 0


def _cut(part: Path, server: Path) -> int:
    """Cut off what cannot be read at the end of what was written; return how many bytes, 0 where that is impossible."""
    before = part.stat().st_size
    return before - part.stat().st_size if part.suffix == ".aof" and _sound(part, server, "--fix") else 0


def _copy(log: Path) -> Path:
    kept = log.with_name(f"{LOG}-damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    try:
        shutil.copytree(log, kept)
    except OSError:
        shutil.rmtree(kept, ignore_errors=True)
        raise
    return kept
