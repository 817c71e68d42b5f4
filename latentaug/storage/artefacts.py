"""What data sets and models have in common: a description with which they exist, and a folder for each version.

This knows nothing else of them, so that a process that only tidies up need not load what computes with them.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel

from latentaug.errors import Damaged, NotFound
from latentaug.storage import formats, tenants
from latentaug.storage.objects import ArtefactStore

DESCRIPTIONS = {"datasets": "dataset.json", "models": "model.json"}
"""Name of the description, by folder of the store."""
USED = "used"
"""Name of an empty file in a version's folder, written when it is first read."""


class _Description(BaseModel):
    """What the descriptions of data sets and models have in common."""

    version: str
    created_at: AwareDatetime | None = None


def paths(store: ArtefactStore, shelf: str) -> list[str]:
    """Paths of all folders in `datasets` or `models` of every tenant, also of those without a description."""
    shelves = [tenants.path(tenant, shelf) for tenant in tenants.every(store)]
    return [f"{each}/{name}" for each in shelves for name in store.folders(each)]


def versions(store: ArtefactStore, path: str) -> list[str]:
    """Names of the folders of an artefact's versions, the one that its description names and others."""
    return store.folders(path)


def version(store: ArtefactStore, path: str) -> str:
    """The version that the description of the artefact at a path names.

    Raises:
        NotFound: it has no description, and does not exist.
        Damaged: its description cannot be read.
        Newer: its description is a newer service's.
    """
    return _described(store, path).version


def unused(store: ArtefactStore, path: str, before: datetime) -> bool:
    """Whether an artefact was made before that moment and never read since.

    Raises:
        NotFound: it does not exist.
        Damaged: its description cannot be read.
        Newer: its description is a newer service's.
    """
    described = _described(store, path)
    made = described.created_at
    return made is not None and made < before and not store.exists(f"{path}/{described.version}/{USED}")


def delete(store: ArtefactStore, path: str) -> None:
    """Delete an artefact: its description first, and with it the whole of it at once."""
    store.delete(_description_path(path))
    store.delete_folder(path)


def _described(store: ArtefactStore, path: str) -> _Description:
    try:
        return formats.read(_Description, store.get(_description_path(path)), path)
    except NotFound as error:
        raise NotFound(f"nothing exists at {path}") from error
    except ValueError as error:
        raise Damaged(f"the description of {path} cannot be read; delete it and make it again") from error


def _description_path(path: str) -> str:
    return f"{path}/{DESCRIPTIONS[path.split('/')[-2]]}"
