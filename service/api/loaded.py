"""Data sets with their images in memory, for callers who look at some of them."""

from __future__ import annotations

from typing import NamedTuple

from anyio import CapacityLimiter, to_thread

from latentaug import datasets
from latentaug.datasets import Dataset
from latentaug.runtime.settings import Settings
from latentaug.storage import tenants
from latentaug.storage.objects import ArtefactStore

MAX_KEPT_BYTES = 64 * 2**20
"""A data set in memory that is larger than this is read anew each time; the whole of MNIST is smaller."""


class _Wanted(NamedTuple):
    name: str
    tenant: str | None
    version: str | None


class LoadedDatasets:
    """Loads one data set at a time and keeps the last if it takes little memory. Make it in a running event loop."""

    def __init__(self, store: ArtefactStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._one = CapacityLimiter(1)  # a slow download holds up nothing else, and memory holds one data set
        self._kept: tuple[_Wanted, Dataset] | None = None

    async def get(self, name: str, tenant: str | None) -> Dataset:
        """Load a data set of a tenant, or of none, or return the one that was loaded last.

        Raises:
            NotFound: there is no such data set.
            Unavailable: MNIST or UJIPEN is not on this machine and cannot be downloaded now.
        """
        description = await to_thread.run_sync(datasets.describe, name, tenants.of(self._store, tenant))
        wanted = _Wanted(name, tenant, description.version)
        if self._kept is not None and self._kept[0] == wanted:
            return self._kept[1]
        return await to_thread.run_sync(self._load, wanted, limiter=self._one)

    def _load(self, wanted: _Wanted) -> Dataset:
        if self._kept is not None and self._kept[0] == wanted:  # loaded while this one waited
            return self._kept[1]
        self._kept = None  # before the next one is loaded, so that memory never holds two
        dataset = datasets.load(wanted.name, tenants.of(self._store, wanted.tenant), self._settings.dataset_folders)
        if dataset.mapped or dataset.images.nbytes <= MAX_KEPT_BYTES:
            self._kept = wanted, dataset
        return dataset
