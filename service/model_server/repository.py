"""Models in memory. They are read from the artefact store when first needed; the least recently used makes room.

A model's files are read one model at a time, and requests for the same model wait for the same reading.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import torch

from latentaug.allocator import give_back
from latentaug.errors import Damaged, MalformedInput, NotFound
from latentaug.options import NAME
from latentaug.storage import models, tenants
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import read_vae
from latentaug.vae.compiled import prepared
from service.model_server.loaded import LoadedModel

log = logging.getLogger(__name__)


class Repository:
    """The models that the server can serve. It is used from one event loop.

    A model that belongs to a tenant has a name made by `tenants.qualified`, here and in all that is counted.

    Args:
        store: the store that holds models.
        device: the device that they compute on.
        precision: the number format that they decode in, float32 or bfloat16.
        capacity: most models in memory.
        warm_up: awaited with each freshly loaded model before a request gets it.
    """

    def __init__(
        self,
        store: ArtefactStore,
        device: torch.device,
        precision: torch.dtype,
        capacity: int,
        warm_up: Callable[[LoadedModel], Awaitable[object]],
    ) -> None:
        self._store = store
        self._device = device
        self._precision = precision
        self._capacity = capacity
        self._warm_up = warm_up
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._reading = asyncio.Lock()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def loaded(self, name: str) -> LoadedModel | None:
        """Return the model of this name if it is in memory, otherwise None."""
        return self._loaded.get(name)

    async def get(self, name: str, version: str | None = None) -> LoadedModel:
        """Return the model of this name and version; it is loaded first if it is not in memory.

        Args:
            name: the model's name.
            version: its version; None means the one in memory or, if there is none, the one in the store.

        Raises:
            NotFound: there is no such model or version.
            Damaged: its files are not what was written.
            Unavailable: the store cannot be reached.
        """
        if model := self._held(name, version):
            return model
        async with self._lock(name):
            return self._held(name, version) or await self._load(name, version)

    async def load(self, name: str) -> LoadedModel:
        """Load or reload a model from the store. The one in memory serves until the new one is ready.

        Raises:
            NotFound: no such model.
            Damaged: its files are not what was written.
            Unavailable: the store cannot be reached.
        """
        async with self._lock(name):
            return await self._load(name, None)

    def unload(self, name: str) -> None:
        """Drop a model from memory, if it is there. Requests in flight are still answered with it."""
        if self._loaded.pop(name, None):
            log.info("unloaded %s", name)

    async def describe(self, name: str, version: str | None = None) -> ModelDescription:
        """Describe a model without loading it. It raises the same errors as `get`."""
        if model := self._held(name, version):
            return model.description
        return await asyncio.to_thread(self._describe, name, version)

    async def names(self) -> list[str]:
        """Return the names of all models, in memory or in the store, sorted.

        Raises:
            Unavailable: the store cannot be reached.
        """
        return sorted({*await asyncio.to_thread(self._stored), *self._loaded})

    def _held(self, name: str, version: str | None) -> LoadedModel | None:
        model = self._loaded.get(name)
        if model is None or version not in (None, model.description.version):
            return None
        self._loaded.move_to_end(name)
        return model

    def _lock(self, name: str) -> asyncio.Lock:
        """The lock under which a name is loaded. It lives as long as someone holds it or waits for it."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def _load(self, name: str, version: str | None) -> LoadedModel:
        async with self._reading:  # one at a time, because reading takes a few times the memory of the model
            model = await asyncio.to_thread(self._read, name, version)
        await self._warm_up(model)
        self._loaded[name] = model
        self._loaded.move_to_end(name)
        while len(self._loaded) > self._capacity:
            log.info("dropped %s: %d models are the most held", self._loaded.popitem(last=False)[0], self._capacity)
        await asyncio.to_thread(give_back)
        log.info("loaded %s, version %s", name, model.description.version)
        return model

    def _stored(self) -> list[str]:
        return [
            tenants.qualified(tenant, name)
            for tenant in tenants.every(self._store)
            for name in models.names(tenants.of(self._store, tenant))
        ]

    def _describe(self, name: str, version: str | None) -> ModelDescription:
        return self._find(name, version)[1].model_copy(update={"name": name})

    def _find(self, name: str, version: str | None) -> tuple[ArtefactStore, ModelDescription]:
        """A model's description, and the part of the store that it is in."""
        store, own_name = tenants.find(self._store, name)
        if not NAME.fullmatch(own_name):
            raise NotFound(f"no model is named {name[:80]!r}; GET /v2/models lists them")
        description = models.describe(store, own_name)
        if version not in (None, description.version):
            raise NotFound(f"model {own_name!r} has no version {version[:80]!r}; it has {description.version!r}")
        return store, description

    def _read(self, name: str, version: str | None) -> LoadedModel:
        store, description = self._find(name, version)
        try:
            vae = prepared(read_vae(store, description), self._precision, self._device)
            projected = models.read_projected(store, description)
        except (ValueError, KeyError, MalformedInput) as error:
            raise Damaged(
                f"the model {description.name!r} is damaged: its files cannot be read ({error}); delete it and train "
                "it again"
            ) from error
        model = LoadedModel(description.model_copy(update={"name": name}), vae, projected, self._device)
        if self._device.type == "cpu":  # a GPU has one thread that may use it
            model.place()
        return model
