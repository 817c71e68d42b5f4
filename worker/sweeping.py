"""Sweeps up what killed processes have left in the store, and never what is in use.

An artefact exists with its description, which is written last. What stands beside a description that does not name it,
or without one, is in nobody's use once it has not changed for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from latentaug.errors import Damaged, Newer, NotFound
from latentaug.runtime.jobs import Attempts, OldJobs
from latentaug.storage import artefacts
from latentaug.storage.objects import ABANDONED, ArtefactStore

LOST = timedelta(days=1)
"""After this time without a change, files of a job that has no record belong to nobody."""

_log = logging.getLogger(__name__)


def sweep(store: ArtefactStore, attempts: Attempts, old: OldJobs, now: datetime) -> None:
    """Delete what was begun and will not be finished.

    Raises:
        Away: Redis or the store does not answer.
    """
    freed = sum(store.sweep(shelf) for shelf in ("datasets", "models", "jobs", "tenants", "probe"))
    # A training whose process was lost writes its model again under the job's id, which is the version.
    unfinished = {record.id for record in attempts.unfinished()}
    for shelf in artefacts.DESCRIPTIONS:
        for path in artefacts.paths(store, shelf):
            swept = _versions(store, path, unfinished, now)
            if swept and not store.entries(path):  # of shards that were never joined somebody was the owner
                attempts.ledger.erase(path)
            freed += swept
    for job_id in old.lost(store.folders("jobs")):
        freed += _unchanged(store, f"jobs/{job_id}", now - LOST)
    if freed:
        attempts.count(None, swept_bytes=freed)
        _log.info("freed %d bytes that killed processes had left in the store", freed)


def _versions(store: ArtefactStore, path: str, spared: Collection[str], now: datetime) -> int:
    """Delete the versions of a data set or model that its description does not name; return their bytes."""
    try:
        used = {artefacts.version(store, path), *spared}
    except NotFound:
        used = set(spared)
    except (Damaged, Newer):  # nobody knows here what it names
        return 0
    others = set(artefacts.versions(store, path)) - used
    return sum(_unchanged(store, f"{path}/{version}", now - ABANDONED) for version in others)


def _unchanged(store: ArtefactStore, folder: str, since: datetime) -> int:
    """Delete a folder in which nothing has changed since that moment; return its bytes."""
    entries = store.entries(folder)
    if not entries or max(entry.modified for entry in entries) >= since:
        return 0
    store.delete_folder(folder)
    return sum(entry.size for entry in entries)
