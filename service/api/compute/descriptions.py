"""Descriptions of models, read from the store and kept for two seconds, as every inference request needs one."""

from __future__ import annotations

import time

from anyio import to_thread

from latentaug.errors import NotFound
from latentaug.options import NAME
from latentaug.storage import models, tenants
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore

SECONDS_KEPT = 2.0


class Descriptions:
    """The descriptions of the models in a store."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[float, ModelDescription]] = {}

    async def get(self, name: str, tenant: str | None) -> ModelDescription:
        """Describe a model of a tenant, or of none, as it was at most two seconds ago.

        Raises:
            NotFound: no such model.
        """
        whole_name = tenants.qualified(tenant, name)
        expires, description = self._kept.get(whole_name, (0.0, None))
        if description is not None and time.monotonic() < expires:
            return description
        self._kept.pop(whole_name, None)
        if not NAME.fullmatch(name):
            raise NotFound.named("models", name)
        description = await to_thread.run_sync(models.describe, tenants.of(self._store, tenant), name)
        self._kept[whole_name] = (time.monotonic() + SECONDS_KEPT, description)
        return description

    def forget(self, name: str, tenant: str | None) -> None:
        """Read a model's description anew the next time."""
        self._kept.pop(tenants.qualified(tenant, name), None)
