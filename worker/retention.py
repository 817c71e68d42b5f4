"""Deletes what is old, as the settings say: jobs, their files, and uploads that were never used."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from latentaug import datasets
from latentaug.errors import NotFound
from latentaug.runtime.jobs import Attempts, OldJobs
from latentaug.runtime.settings import Settings
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


def delete_unused_uploads(artefacts: ArtefactStore, attempts: Attempts, settings: Settings, now: datetime) -> None:
    """Delete the uploads that were made long enough before `now`, and that nobody has ever read or waits to read.

    Raises:
        Away: Redis or the store does not answer.
    """
    days = settings.upload_retention_days
    if not days:
        return
    for name in datasets.unused(artefacts, now - timedelta(days=days)):
        with attempts.deleting(f"datasets/{name}") as users:
            if users:
                continue
            try:
                datasets.delete(artefacts, name)
            except NotFound:  # somebody was faster
                continue
            attempts.ledger.erase(f"datasets/{name}")
        attempts.count(None, uploads_deleted=1)
        _log.info("deleted the data set %r, which nobody has used in %g days", name, days)
