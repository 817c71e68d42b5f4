"""Deletes what is old, as the settings say: jobs, their files, and uploads that were never used."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from latentaug.errors import Conflict, NotFound
from latentaug.runtime.jobs import Attempts, OldJobs, in_words
from latentaug.runtime.settings import Settings
from latentaug.storage import artefacts
from latentaug.storage.objects import ArtefactStore

MOST_DELETED = 20
"""Old jobs that one call deletes at most, so that jobs that have lost their process need not wait long."""

_log = logging.getLogger(__name__)


def delete_old_jobs(old: OldJobs, attempts: Attempts, settings: Settings, now: datetime) -> None:
    """Delete some of the jobs, and of the files of jobs, that ended long enough before `now`, if there are any.

    Raises:
        Away: Redis or the store does not answer.
    """
    if days := settings.job_retention_days:
        for job_id in old.delete_ended_before(now - timedelta(days=days), MOST_DELETED):
            attempts.count(None, jobs_deleted=1)
            _log.info("deleted job %s, which ended more than %g days ago", job_id, days)
    if days := settings.result_retention_days:
        for job_id in old.empty_ended_before(now - timedelta(days=days), MOST_DELETED):
            attempts.count(None, job_files_deleted=1)
            _log.info("deleted the files of job %s, which ended more than %g days ago", job_id, days)


def delete_unused_uploads(store: ArtefactStore, attempts: Attempts, settings: Settings, now: datetime) -> None:
    """Delete the uploads that were made long enough before `now`, and that nobody has ever read or waits to read.

    Raises:
        Away: Redis or the store does not answer.
    """
    days = settings.upload_retention_days
    if not days:
        return
    for path in artefacts.paths(store, "datasets"):
        with suppress(NotFound, Conflict):  # somebody is faster, or has to look at it
            if artefacts.unused(store, path, now - timedelta(days=days)) and _delete_unused(store, attempts, path):
                _log.info("deleted %s, which nobody has used in %g days", in_words(path), days)


def _delete_unused(store: ArtefactStore, attempts: Attempts, path: str) -> bool:
    """Delete a data set unless an unfinished job uses it; return whether it was deleted."""
    with attempts.deleting(path) as users:
        if users:
            return False
        attempts.ledger.erase(path)
        artefacts.delete(store, path)
    attempts.count(None, uploads_deleted=1)
    return True
