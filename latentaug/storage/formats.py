"""The format of what is kept, in the store and in Redis: which one is written, and up to which one can be read.

Every release reads what all earlier ones have written. What a later one has written in a later format it refuses in
words, or it would take it for something else. Within a format a later release may only add fields that need not be
there: an earlier one, which may run beside it during an upgrade, passes over them.

A description or record says its format in the field `format`, and what says nothing has format 1. Files in format 1
must say nothing, because the first releases refuse fields that they do not know. The store as a whole says in one file
which format is the latest that any service writes there, so that an earlier one does not even start.
"""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel

from latentaug.errors import Conflict, Damaged, Newer, NotFound
from latentaug.storage.objects import ArtefactStore

FORMAT = 1
"""The format that this release writes, and the latest that it reads."""
MARK = "format.json"
"""Path of the file that says the store's format."""

Kind = TypeVar("Kind", bound=BaseModel)


class _Said(BaseModel):
    """What any stored JSON says of its format."""

    format: int = 1


def check(found: int, what: str) -> None:
    """Refuse a format that only a newer service knows.

    Args:
        found: the format.
        what: what has it, to be named in the error.

    Raises:
        Newer: this release does not read it.
    """
    if found > FORMAT:
        raise Newer(
            f"{what} was written by a newer latentaug (format {found}; this one reads up to {FORMAT}): upgrade this "
            "service"
        )


def write(document: BaseModel) -> bytes:
    """What is stored of a description or record, as JSON."""
    said = {} if FORMAT == 1 else {"format": FORMAT}
    return json.dumps({**said, **json.loads(document.model_dump_json())}, indent=1).encode()


def read(kind: type[Kind], data: bytes, what: str) -> Kind:
    """Read a description or record; fields that it has and this release does not know are passed over.

    Args:
        kind: what it is.
        data: what is stored.
        what: what to call it in an error.

    Raises:
        Newer: a newer service has written it, in a format of its own.
        ValueError: it cannot be read.
    """
    check(_Said.model_validate_json(data).format, what)
    return kind.model_validate_json(data, extra="ignore")


def check_store(store: ArtefactStore) -> None:
    """Refuse a store in which a newer service writes.

    Raises:
        Newer: this release does not read what is written there.
        Damaged: nobody can tell.
        Away: the store does not answer.
    """
    check(_of_store(store), "what is in the store")


def mark_store(store: ArtefactStore) -> None:
    """Have the store say that this release writes there.

    Raises:
        Newer: a newer service writes there.
        Damaged: nobody can tell.
        Away: the store does not answer.
        NotStored: it may not be written to.
    """
    check_store(store)
    mark = json.dumps({"format": FORMAT}).encode()
    try:
        store.create(MARK, mark)
    except Conflict:
        if _of_store(store) < FORMAT:
            store.put(MARK, mark)


def _of_store(store: ArtefactStore) -> int:
    try:
        return _Said.model_validate_json(store.get(MARK)).format
    except NotFound:
        return 1
    except ValueError as error:
        raise Damaged(
            f"the file {MARK} in the store, which says in which format the service writes there, cannot be read; "
            "put it back from a backup, or delete it if only this release has ever used the store"
        ) from error
