"""Descriptions of models, read from the store and kept for two seconds, as every inference request needs one."""

from __future__ import annotations

import time

from anyio import to_thread

from latentaug.storage import models, tenants
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore

SECONDS_KEPT = 2.0


class Descriptions:
    """The descriptions of the models in a store, by names that `tenants.qualified` has made of checked ones."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[float, ModelDescription]] = {}

    async def get(self, name: str) -> ModelDescription:
        """Describe a model, as it was at most two seconds ago.

        Raises:
            NotFound: no such model.
        """
        expires, description = self._kept.get(name, (0.0, None))
        if description is not None and time.monotonic() < expires:
            return description
        self._kept.pop(name, None)
        description = await to_thread.run_sync(models.describe, *tenants.find(self._store, name))
        self._kept[name] = (time.monotonic() + SECONDS_KEPT, description)
        return description

    def forget(self, name: str) -> None:
        """Read a model's description anew the next time."""
        self._kept.pop(name, None)
