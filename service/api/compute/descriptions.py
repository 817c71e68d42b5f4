"""Descriptions of models, read from the store and kept for two seconds, as every inference request needs one.

While the store is away, or slow, the last one known is good enough: nobody can change a model in a store that is away,
and the model server, which has it in memory, says if it was changed.
"""

from __future__ import annotations

import asyncio
import time

from anyio import to_thread

from latentaug.errors import Away
from latentaug.storage import models, tenants
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore

SECONDS_KEPT = 2.0
PATIENCE = 0.5
"""Seconds that a request waits for the store where there is an older description."""


class Descriptions:
    """The descriptions of the models in a store, by names that `tenants.qualified` has made of checked ones.

    Used from one event loop.
    """

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[float, ModelDescription]] = {}
        self._readings: dict[str, asyncio.Task[ModelDescription]] = {}

    async def get(self, name: str) -> ModelDescription:
        """Describe a model, as it was at most two seconds ago, or when the store last answered.

        Raises:
            NotFound: no such model.
            Away: the store does not answer, and the model was never asked for before.
        """
        expires, description = self._kept.get(name, (0.0, None))
        if description is not None and time.monotonic() < expires:
            return description
        reading = self._reading(name)
        if description is None:
            return await asyncio.shield(reading)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(reading)
        except (Away, TimeoutError):
            if name in self._kept:  # nobody has deleted it meanwhile
                self._kept[name] = (time.monotonic() + SECONDS_KEPT, description)
            return description

    def forget(self, name: str) -> None:
        """Read a model's description anew the next time."""
        self._kept.pop(name, None)
        self._readings.pop(name, None)

    def _reading(self, name: str) -> asyncio.Task[ModelDescription]:
        """The reading that is under way, for all who wait, or else a new one."""
        if (reading := self._readings.get(name)) is None:
            read = to_thread.run_sync(models.describe, *tenants.find(self._store, name))
            reading = self._readings[name] = asyncio.create_task(read)
            reading.add_done_callback(lambda reading: self._read(name, reading))
        return reading

    def _read(self, name: str, reading: asyncio.Task[ModelDescription]) -> None:
        """Keep what was read, unless it was forgotten meanwhile."""
        error = None if reading.cancelled() else reading.exception()
        if self._readings.get(name) is not reading:
            return
        del self._readings[name]
        if error is None and not reading.cancelled():
            self._kept[name] = (time.monotonic() + SECONDS_KEPT, reading.result())
        elif not isinstance(error, Away):
            self._kept.pop(name, None)
