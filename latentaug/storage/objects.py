"""What rests: bytes under a path, in a local folder or an object store, through obstore.

A write appears whole or not at all: obstore writes a local file under a temporary name and renames it, and an object
store does the same by nature. An artefact of several files is committed by writing its JSON description last, and taken
away by deleting its description first; without a description the rest does not exist for anyone.

    models/<name>/model.json            a `ModelDescription`, naming the version folder
    models/<name>/<version>/...         weights and latents, safetensors
    datasets/<name>/dataset.json        a `DatasetDescription`
    datasets/<name>/<version>/...       images and labels, safetensors
    datasets/<name>/shards/...          those of a data set that is not yet whole (`latentaug.datasets.shards`)
    jobs/<id>/record.json               the job record, once ended
    jobs/<id>/...                       what the job made
    tenants/<tenant>/...                models and data sets of a tenant, where there are any (`tenants`)
    probe/bytes                         written now and then, to see whether that is possible
    format.json                         the latest format that any service writes here (`formats`)
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError
from obstore.store import LocalStore, ObjectStore, from_url

from latentaug.errors import Away, Conflict, InvalidInput, NotFound, NotStored
from latentaug.options import NAME, NAME_RULE

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_NUMBER = re.compile(r"\(os error (\d+)\)")
"""Where obstore's messages have the system's number of what went wrong; its exceptions do not carry it."""
_RETRY_SECONDS = 5.0
_BEGUN = re.compile(r".*#\d+")
"""Name of a local file that obstore has not yet written whole."""
_WAIT = {"connect_timeout": "3s", "read_timeout": "10s", "timeout": "10m"}
"""How long an object store is waited for: obstore itself would wait for minutes, in which nobody is told anything."""
_RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_PARTS_AT_ONCE = 2
"""Parts of 5 MiB, in which an object store takes a larger file, that are sent at a time. Each must arrive within the
read timeout, or the store is taken to be away: with these, a line of a megabyte a second is fast enough."""
_FROM_VARIABLES = (*_WAIT, "allow_http", "allow_invalid_certificates", "proxy_url", "proxy_ca_certificate")
"""What variables such as `AWS_ALLOW_HTTP` tell of a connection; obstore reads them only if it is told nothing else."""
_PREFIXES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
_PROBE = "probe/bytes"
_PROBE_BYTES = 4096
ABANDONED = timedelta(hours=1)
"""After this time without a change, what was begun and not finished belongs to a process that was killed."""


class Entry(NamedTuple):
    """What stands at a path.

    Attributes:
        path: its path.
        size: its bytes.
        modified: when it was last written, in UTC.
    """

    path: str
    size: int
    modified: datetime


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


@dataclass(frozen=True)
class Stored:
    """What is known of a stored file.

    Attributes:
        size: its bytes.
        tag: an `ETag` of RFC 9110; a file that is written anew has another one.
    """

    size: int
    tag: str


class ArtefactStore:
    """Bytes by path. Paths are made by this package from checked names, never taken from a request.

    All methods raise `Away` where the store does not answer, and `NotStored` where it has no room left or gives
    this process no right.
    """

    def __init__(self, url: str) -> None:
        """Open the store at `url`: `file:///folder` (made where missing), `s3://bucket/prefix`, `gs://...`, `memory:///`."""
        parts = urlsplit(url)
        self._store: ObjectStore
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is not None:
            with told():
                self._store = LocalStore(self._folder, mkdir=True)
        else:
            self._store = _remote(url, parts.scheme)

    def put(self, path: str, data: bytes) -> None:
        """Write `data` at `path`, replacing what was there."""
        with told():
            self._store.put(path, data, max_concurrency=_PARTS_AT_ONCE)

    def put_pieces(self, path: str, pieces: Iterator[bytes]) -> None:
        """Write what comes piece by piece, which is never in memory whole, replacing what was there."""
        with told():
            self._store.put(path, pieces, max_concurrency=_PARTS_AT_ONCE)

    def create(self, path: str, data: bytes) -> None:
        """Write `data` at `path` where nothing else may be yet.

        Raises:
            Conflict: something else is there.
        """
        with told():
            try:
                self._store.put(path, data, mode="create")
            except AlreadyExistsError as error:
                # An object store may have written it and its answer was lost; obstore then tries again, and finds it.
                if self._folder is not None or bytes(self._store.get(path).bytes()) != data:
                    raise Conflict(f"{path} exists already") from error

    def get(self, path: str) -> bytes:
        """Read what stands at `path`.

        Raises:
            NotFound: nothing is there.
        """
        with told():
            try:
                return bytes(self._store.get(path).bytes())
            except FileNotFoundError as error:
                raise NotFound(f"nothing is stored at {path}") from error

    def look(self, path: str) -> Stored:
        """What is known of what stands at `path`.

        Raises:
            NotFound: nothing is there.
        """
        with told():
            try:
                found = self._store.head(path)
            except FileNotFoundError as error:
                raise NotFound(f"nothing is stored at {path}") from error
        tag = found["e_tag"] or f"{found['last_modified'].timestamp()}-{found['size']}"
        return Stored(found["size"], '"' + tag.strip('"') + '"')

    def part(self, path: str, start: int, stop: int) -> bytes:
        """Read the bytes of what stands at `path` from `start` up to `stop`, which must lie in it.

        Raises:
            NotFound: nothing is there.
        """
        with told():
            try:
                return bytes(self._store.get_range(path, start=start, end=stop))
            except FileNotFoundError as error:
                raise NotFound(f"nothing is stored at {path}") from error

    def local(self, path: str) -> Path | None:
        """Where what stands at `path` is in this machine's folders; None where the store is elsewhere.

        Raises:
            NotFound: nothing is there.
        """
        if self._folder is None:
            return None
        place = self._folder / path
        if not place.is_file():
            raise NotFound(f"nothing is stored at {path}")
        return place

    def exists(self, path: str) -> bool:
        """Whether something stands at `path`."""
        with told():
            try:
                self._store.head(path)
            except FileNotFoundError:
                return False
        return True

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly under `prefix`, sorted."""
        with told():
            found = self._store.list_with_delimiter(prefix)["common_prefixes"]
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly under `prefix`, sorted."""
        with told():
            found = self._store.list_with_delimiter(prefix)["objects"]
        return sorted(entry["path"].rsplit("/", 1)[-1] for entry in found)

    def entries(self, prefix: str) -> list[Entry]:
        """Everything under `prefix`, in no order."""
        with told():
            return [
                Entry(entry["path"], entry["size"], entry["last_modified"])
                for batch in self._store.list(prefix)
                for entry in batch
            ]

    def probe(self) -> None:
        """Write a few kilobytes, as only that shows whether there is room, and a right to write."""
        self.put(_PROBE, bytes(_PROBE_BYTES))

    def delete(self, path: str) -> None:
        """Delete what stands at `path`, if anything does."""
        with told(), suppress(FileNotFoundError):
            self._store.delete(path)

    def delete_folder(self, prefix: str) -> None:
        """Delete everything under `prefix`, and what killed processes have begun to write there."""
        for entry in self.entries(prefix):
            self.delete(entry.path)
        self.sweep(prefix)

    def sweep(self, prefix: str) -> int:
        """Delete what killed processes have begun to write under `prefix`, and empty folders; return its bytes.

        An object store has neither, but may keep parts of what was begun out of sight, until a rule of its own ends it.
        """
        if self._folder is None:
            return 0
        with told():
            return _remove_begun(self._folder / prefix)


def _remote(url: str, scheme: str) -> ObjectStore:
    """The object store at a URL, or one in memory."""
    if scheme == "memory":
        return from_url(url)
    prefix = _PREFIXES.get(scheme, "AWS")
    named = {name: os.environ.get(f"{prefix}_{name.upper()}") for name in _FROM_VARIABLES}
    options: Any = _WAIT | {name: value for name, value in named.items() if value is not None}
    return from_url(url, client_options=options, retry_config=_RETRIES)


@contextmanager
def whole(store: ArtefactStore, folder: str, description: str) -> Iterator[None]:
    """Leave nothing of an artefact for which there is no room.

    Args:
        store: where it is written.
        folder: the folder of its files, deleted if they cannot all be written.
        description: path of its description; with it the artefact exists, and nothing is deleted.
    """
    try:
        yield
    except NotStored:
        with suppress(NotStored, Away):  # who may not write may not delete either
            if not store.exists(description):
                store.delete_folder(folder)
        raise


@contextmanager
def told() -> Iterator[None]:
    """Say in words of ours what a store or the system says.

    Raises:
        NotStored: there is no room left, or no right.
        Away: the store does not answer.
    """
    try:
        yield
    except (BaseError, OSError) as error:
        found = _NUMBER.search(str(error))
        number = int(found[1]) if found else getattr(error, "errno", None)
        if number in _NO_ROOM:
            raise NotStored(
                "no room is left where the service keeps its files, so nothing of this was kept; delete data sets or "
                "models that you no longer need, or make room on its disk, and try again"
            ) from error
        if number in _NO_RIGHT or isinstance(error, PermissionDeniedError | PermissionError):
            raise NotStored(
                "the service may not read or write where it keeps its files; whoever runs it must give it the right to"
            ) from error
        raise Away(
            "the service cannot reach the place where it keeps its files; try again in a few seconds",
            retry_after=_RETRY_SECONDS,
        ) from error


def _remove_begun(folder: Path) -> int:
    """Remove files that were begun long ago, then the folder and those in it, as far as no file is left in them."""
    freed, oldest = 0, time.time() - ABANDONED.total_seconds()
    for place, _, files in os.walk(folder, topdown=False):
        unfinished = [os.path.join(place, name) for name in files if _BEGUN.fullmatch(name)]
        for begun in unfinished:
            with suppress(FileNotFoundError):  # another process sweeps too
                found = os.stat(begun)
                if found.st_mtime < oldest:
                    os.remove(begun)
                    freed += found.st_size
        if len(unfinished) == len(files):  # or the folder is in use, as nearly all are
            with suppress(OSError):  # somebody has just written there
                os.rmdir(place)
    return freed
