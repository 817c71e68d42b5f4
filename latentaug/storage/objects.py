"""What rests: bytes under a path, in a local folder or an object store, through obstore.

A write appears whole or not at all: obstore writes a local file under a temporary name and renames it, and an object
store does the same by nature. An artefact of several files is committed by writing its JSON description last, and taken
away by deleting its description first; without a description the rest does not exist for anyone.

    models/<name>/model.json            a `ModelDescription`, naming the version folder
    models/<name>/<version>/...         weights and latents, safetensors
    datasets/<name>/dataset.json        a `DatasetDescription`
    datasets/<name>/<version>/...       images and labels, safetensors
    jobs/<id>/record.json               the job record, once ended
    jobs/<id>/...                       what the job made
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from latentaug.errors import Conflict, InvalidInput, NotFound
from latentaug.options import NAME, NAME_RULE


def check_name(name: str, what: str) -> str:
    """Return `name` if it can name a model, data set or job.

    Raises:
        InvalidInput: not 1 to 64 letters, digits, `_` or `-`, starting with a letter or digit.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot name a {what}: {NAME_RULE}",
            fields=[("name", "letters, digits, '_' and '-' only")],
        )
    return name


class ArtefactStore:
    """Bytes by path. Paths are made by this package from checked names, never taken from a request."""

    def __init__(self, url: str) -> None:
        """Open the store at `url`: `file:///folder` (made where missing), `s3://bucket/prefix`, `gs://...`, `memory:///`."""
        parts = urlsplit(url)
        self._store: ObjectStore
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is not None:
            self._store = LocalStore(self._folder, mkdir=True)
        else:
            self._store = from_url(url)

    def put(self, path: str, data: bytes) -> None:
        """Write `data` at `path`, replacing what was there."""
        self._store.put(path, data)

    def create(self, path: str, data: bytes) -> None:
        """Write `data` at `path` where nothing may be yet.

        Raises:
            Conflict: something is there.
        """
        try:
            self._store.put(path, data, mode="create")
        except AlreadyExistsError as error:
            raise Conflict(f"{path} exists already") from error

    def get(self, path: str) -> bytes:
        """Read what stands at `path`.

        Raises:
            NotFound: nothing is there.
        """
        try:
            return bytes(self._store.get(path).bytes())
        except FileNotFoundError as error:
            raise NotFound(f"nothing is stored at {path}") from error

    def exists(self, path: str) -> bool:
        """Whether something stands at `path`."""
        try:
            self._store.head(path)
        except FileNotFoundError:
            return False
        return True

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly under `prefix`, sorted."""
        found = self._store.list_with_delimiter(prefix)["common_prefixes"]
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly under `prefix`, sorted."""
        found = self._store.list_with_delimiter(prefix)["objects"]
        return sorted(entry["path"].rsplit("/", 1)[-1] for entry in found)

    def delete(self, path: str) -> None:
        """Delete what stands at `path`, if anything does."""
        try:
            self._store.delete(path)
        except FileNotFoundError:
            return

    def delete_folder(self, prefix: str) -> None:
        """Delete everything under `prefix`."""
        for batch in self._store.list(prefix):
            for entry in batch:
                self.delete(entry["path"])
        if self._folder is not None:  # an object store has no empty folders
            _remove_empty(self._folder / prefix)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, as far as there is no file in them."""
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # somebody has just written there
            os.rmdir(place)
