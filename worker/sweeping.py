"""Sweeps up what killed processes have left in the store, and never what is in use.

An artefact exists with its description, which is written last. What stands beside a description that does not name it,
or without one, is in nobody's use once it has not changed for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from latentaug.datasets import uploads
from latentaug.errors import Damaged, NotFound
from latentaug.runtime.jobs import Attempts, OldJobs
from latentaug.storage import models
from latentaug.storage.objects import ABANDONED, ArtefactStore

LOST = timedelta(days=1)
"""After this time without a change, files of a job that has no record belong to nobody."""

_log = logging.getLogger(__name__)


def sweep(artefacts: ArtefactStore, attempts: Attempts, old: OldJobs, now: datetime) -> None:
    """Delete what was begun and will not be finished.

    Raises:
        Away: Redis or the store does not answer.
    """
    freed = sum(artefacts.sweep(shelf) for shelf in ("datasets", "models", "jobs", "probe"))
    freed += _parts(artefacts, "datasets", lambda name: uploads.describe(artefacts, name).version, now)
    # A training whose process was lost writes its model again under the job's id, which is the version.
    unfinished = {record.id for record in attempts.unfinished()}
    freed += _parts(artefacts, "models", lambda name: models.describe(artefacts, name).version, now, unfinished)
    for job_id in old.lost(artefacts.folders("jobs")):
        freed += _unchanged(artefacts, f"jobs/{job_id}", now - LOST)
    if freed:
        attempts.count(None, swept_bytes=freed)
        _log.info("freed %d bytes that killed processes had left in the store", freed)


def _parts(
    artefacts: ArtefactStore,
    shelf: str,
    version_of: Callable[[str], str | None],
    now: datetime,
    spared: Iterable[str] = (),
) -> int:
    """Delete versions of data sets or models that no description names; return their bytes."""
    freed = 0
    for name in artefacts.folders(shelf):
        try:
            used = {version_of(name), *spared}
        except NotFound:
            used = set(spared)
        except Damaged:  # nobody knows what it names
            continue
        for version in set(artefacts.folders(f"{shelf}/{name}")) - used:
            freed += _unchanged(artefacts, f"{shelf}/{name}/{version}", now - ABANDONED)
    return freed


def _unchanged(artefacts: ArtefactStore, folder: str, since: datetime) -> int:
    """Delete a folder in which nothing has changed since that moment; return its bytes."""
    entries = artefacts.entries(folder)
    if not entries or max(entry.modified for entry in entries) >= since:
        return 0
    artefacts.delete_folder(folder)
    return sum(entry.size for entry in entries)
