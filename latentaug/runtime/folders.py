"""Whether this process can work where the service keeps its files; asked at start, where one sentence can say so."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from latentaug.errors import Away, Conflict, NotStored
from latentaug.runtime.settings import PREFIX, Settings
from latentaug.storage import formats
from latentaug.storage.objects import ArtefactStore

ROOM = 2**20
"""Bytes that must be free where the embedded Valkey keeps its data, or it would end again at once."""


def check_store(settings: Settings) -> None:
    """Make sure that artefacts can be written, where they are kept in a folder of this machine, and may be.

    A store that is away at the start is not asked. What a newer service has written there is refused when it is read.

    Raises:
        Conflict: they cannot.
        Newer: a newer service writes there.
        Damaged: nobody can tell.
    """
    parts = urlsplit(settings.resolved_store_url)
    if parts.scheme == "file":
        check(Path(unquote(parts.path)), "HOME" if settings.store_url is None else "STORE_URL")
    with suppress(Away, NotStored):
        formats.mark_store(ArtefactStore(settings.resolved_store_url))


def check(folder: Path, setting: str, room: int = 0) -> None:
    """Make sure that a folder exists, or can be made, and that this process may write there.

    Args:
        folder: the folder.
        setting: the name of the setting that says where it is.
        room: bytes that there must be room for.

    Raises:
        Conflict: it cannot be written to, or has too little room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(room))
    except OSError as error:
        raise Conflict(
            f"the service cannot write to its folder {folder} ({error.strerror}): make room there, give this user the "
            f"right to write, or choose another folder with {PREFIX}{setting}"
        ) from error
