"""Where Unix sockets are. Systems accept only short paths for them, but the service's folder may be anywhere."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from latentaug.errors import Conflict

LONGEST_PATH = 100
"""Most bytes of a socket's path. Systems allow 103 to 107."""

_STAND_IN = re.compile(r"latentaug-[0-9a-f]{16}")


def short(path: Path) -> Path:
    """Return the path itself or, where it is too long for a socket, one in the system's temporary folder.

    It is the same for every process and at every start, so that all processes find the socket, and a new server finds
    what a killed one left behind.
    """
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"latentaug-{digest}" / path.name


def make_folder(path: Path) -> None:
    """Make the folder for the socket at `path`.

    Raises:
        Conflict: the path is still too long, or others may write to the folder that stands in for a long path.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Conflict(
            f"the socket's path {path} is over {LONGEST_PATH} bytes; choose a shorter one, or a shorter TMPDIR"
        )
    if not _stands_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    found = path.parent.lstat()  # the temporary folder is everybody's: somebody else may have been there first
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Conflict(f"{path.parent} is not this user's private folder; delete it, or set a shorter LATENTAUG_HOME")


def remove(path: Path) -> None:
    """Remove a socket, if it is there, and its folder where that was made for it alone."""
    path.unlink(missing_ok=True)
    if _stands_in(path.parent) and path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _stands_in(folder: Path) -> bool:
    return folder.parent == Path(tempfile.gettempdir()) and _STAND_IN.fullmatch(folder.name) is not None
