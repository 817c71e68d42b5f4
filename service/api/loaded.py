"""Data sets with their images in memory, for those who want to look at some."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread

from latentaug import datasets
from latentaug.datasets import Dataset
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

MAX_KEPT_BYTES = 64 * 2**20
"""A data set of more is read anew each time; all of MNIST is less."""


class LoadedDatasets:
    """Loads one data set at a time, and keeps the last one where it is small. Made inside a running event loop."""

    def __init__(self, store: ArtefactStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._one = CapacityLimiter(1)  # so that a slow download holds up nothing else, and memory holds one
        self._kept: tuple[tuple[str, str | None], Dataset] | None = None

    async def get(self, name: str) -> Dataset:
        """Load a data set, or give the one that was loaded last.

        Raises:
            NotFound: no such data set.
            Unavailable: MNIST or UJIPEN is not here and cannot be downloaded now.
        """
        description = await to_thread.run_sync(datasets.describe, name, self._store)
        wanted = name, description.version
        if self._kept is not None and self._kept[0] == wanted:
            return self._kept[1]
        return await to_thread.run_sync(self._load, wanted, limiter=self._one)

    def _load(self, wanted: tuple[str, str | None]) -> Dataset:
        if self._kept is not None and self._kept[0] == wanted:  # loaded while this one waited
            return self._kept[1]
        self._kept = None  # before the next one is loaded, so that there are never two
        dataset = datasets.load(wanted[0], self._store, self._settings.dataset_folders)
        if dataset.images.nbytes <= MAX_KEPT_BYTES:
            self._kept = wanted, dataset
        return dataset
