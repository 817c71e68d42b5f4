"""Data sets with their images in memory, for those who want to look at some."""

from __future__ import annotations

from threading import Lock

from latentaug import datasets
from latentaug.artefacts import ArtefactStore
from latentaug.datasets import Dataset
from latentaug.settings import Settings

MAX_KEPT_BYTES = 64 * 2**20
"""A data set of more is read anew each time; all of MNIST is less."""


class LoadedDatasets:
    """Loads one data set at a time, and keeps the last one where it is small."""

    def __init__(self, store: ArtefactStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._lock = Lock()
        self._kept: tuple[tuple[str, str | None], Dataset] | None = None

    def get(self, name: str) -> Dataset:
        """Load a data set, or give the one that was loaded last.

        Raises:
            NotFound: no such data set.
            Unavailable: MNIST or UJIPEN is not here and cannot be downloaded now.
        """
        wanted = name, datasets.describe(name, self._store).version
        with self._lock:
            if self._kept is not None and self._kept[0] == wanted:
                return self._kept[1]
            self._kept = None  # before the next one is loaded, so that there are never two
            dataset = datasets.load(name, self._store, self._settings)
            if dataset.images.nbytes <= MAX_KEPT_BYTES:
                self._kept = wanted, dataset
            return dataset
