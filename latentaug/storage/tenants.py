"""Whose data sets and models are: each tenant has a part of the store of its own. Only this module knows where it is.

    tenants/<tenant>/models/...
    tenants/<tenant>/datasets/...

In its part a name is any tenant's to choose, so that none learns of another's. What belongs to no tenant, as in a
service without tenants, stands at the top of the store, as `latentaug.storage.objects` says. Jobs all stand there,
because their ids are unique; a job's record says whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from latentaug.storage.objects import ArtefactStore, Entry, Stored

TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A tenant's name; in lower case, because some file systems take two names that differ in case alone for one."""
_FOLDER = "tenants"
_MARK = "~"
"""Between a tenant and a name. Neither can have it."""


def path(tenant: str | None, within: str) -> str:
    """The path in the whole store of what has the path `within` in a tenant's part, or in none's."""
    return within if tenant is None else f"{_FOLDER}/{tenant}/{within}"


def of(store: ArtefactStore, tenant: str | None) -> ArtefactStore:
    """A tenant's part of the store; the whole of it where there is no tenant."""
    return store if tenant is None else _Part(store, path(tenant, ""))


def qualified(tenant: str | None, name: str) -> str:
    """A name that no other tenant's model or data set has, for those who serve all tenants."""
    return name if tenant is None else f"{tenant}{_MARK}{name}"


def find(store: ArtefactStore, qualified_name: str) -> tuple[ArtefactStore, str]:
    """The part of the store and the name that a name made by `qualified` stands for; one of no form stays as it is."""
    tenant, mark, name = qualified_name.partition(_MARK)
    return (of(store, tenant), name) if mark and TENANT.fullmatch(tenant) else (store, qualified_name)


def every(store: ArtefactStore) -> list[str | None]:
    """All tenants that have stored anything, and None."""
    return [None, *store.folders(_FOLDER)]


class _Part(ArtefactStore):
    """A part of a store, in which every path has a prefix. It opens nothing: the store itself does all work."""

    def __init__(self, store: ArtefactStore, prefix: str) -> None:
        self._whole = store
        self._prefix = prefix

    def put(self, path: str, data: bytes) -> None:
        self._whole.put(self._prefix + path, data)

    def put_pieces(self, path: str, pieces: Iterator[bytes]) -> None:
        self._whole.put_pieces(self._prefix + path, pieces)

    def create(self, path: str, data: bytes) -> None:
        self._whole.create(self._prefix + path, data)

    def get(self, path: str) -> bytes:
        return self._whole.get(self._prefix + path)

    def look(self, path: str) -> Stored:
        return self._whole.look(self._prefix + path)

    def part(self, path: str, start: int, stop: int) -> bytes:
        return self._whole.part(self._prefix + path, start, stop)

    def local(self, path: str) -> Path | None:
        return self._whole.local(self._prefix + path)

    def exists(self, path: str) -> bool:
        return self._whole.exists(self._prefix + path)

    def folders(self, prefix: str) -> list[str]:
        return self._whole.folders(self._prefix + prefix)

    def files(self, prefix: str) -> list[str]:
        return self._whole.files(self._prefix + prefix)

    def entries(self, prefix: str) -> list[Entry]:
        found = self._whole.entries(self._prefix + prefix)
        return [entry._replace(path=entry.path.removeprefix(self._prefix)) for entry in found]

    def probe(self) -> None:
        self._whole.probe()

    def delete(self, path: str) -> None:
        self._whole.delete(self._prefix + path)

    def delete_folder(self, prefix: str) -> None:
        self._whole.delete_folder(self._prefix + prefix)

    def sweep(self, prefix: str) -> int:
        return self._whole.sweep(self._prefix + prefix)
