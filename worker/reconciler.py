"""Brings records and queues back together after a crash: no job is lost, and none waits for a process that is gone.

It also deletes jobs that ended long enough ago.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from redis.exceptions import LockError

from latentaug.errors import LatentaugError
from latentaug.runtime.jobs import Attempts, answering, connect
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore

EVERY = 3.0
"""Seconds between two rounds."""
PATIENCE = 10.0
"""Seconds that a job may take from its record to its queue, and from its queue to a worker."""
CLEANUP_EVERY = 20
"""Rounds between two cleanings of RQ's registries."""
MOST_DELETED = 20
"""Old jobs that one round deletes at most, so that jobs that have lost their process need not wait long."""

_log = logging.getLogger(__name__)


def reconcile_until(stop: threading.Event, settings: Settings) -> None:
    """Reconcile every few seconds until `stop` is set. Many processes may do this; one at a time holds the lock."""
    pause, rounds = 0.0, 0
    while not stop.wait(pause):
        try:
            _round(settings, rounds)
            pause = EVERY
        except LatentaugError as error:
            _log.warning("cannot reconcile: %s", error)
            pause = settings.lease_seconds  # once Redis is back, the processes that live renew their leases first
        except Exception:  # noqa: BLE001 (one bad record must not end all rounds)
            _log.exception("a round of the reconciler failed")
            pause = settings.lease_seconds
        rounds += 1


def _round(settings: Settings, number: int) -> None:
    redis = connect(settings)
    attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
    queue = JobQueue(redis, settings)
    try:
        with answering(), redis.lock("latentaug:reconciler", timeout=60, blocking=False):
            if number == 0:
                attempts.complete_index()
            reconcile(attempts, queue)
            if number % CLEANUP_EVERY == 0:
                queue.clean()
            delete_old(attempts, settings, datetime.now(UTC))
    except LockError:  # another process reconciles, or has taken over from this one
        pass
    finally:
        redis.close()


def reconcile(attempts: Attempts, queue: JobQueue) -> None:
    """Look at each unfinished job and sub-job once.

    Raises:
        Unavailable: Redis does not answer.
    """
    attempts.keep_ended()
    waiting = queue.waiting()  # before the records, or a job that a worker takes meanwhile would seem to be in no queue
    for record in attempts.unfinished_with_sub_jobs():
        if record.status == "running":
            if not record.fanned_out and not attempts.lease_alive(record.id):
                _log.warning("job %s has lost its process", record.id)
                again = attempts.requeue(record.id, record.attempt)
                queue.enqueue([] if again is None else [again])
        elif (record.id, record.attempt) not in waiting and attempts.waiting_seconds(record) > PATIENCE:
            _log.warning("job %s waits in no queue; putting it back", record.id)
            queue.enqueue([record])


def delete_old(attempts: Attempts, settings: Settings, now: datetime) -> None:
    """Delete some of the jobs that ended more than `settings.job_retention_days` before `now`, if there are any.

    Raises:
        Unavailable: Redis does not answer.
    """
    days = settings.job_retention_days
    if not days:
        return
    for job_id in attempts.delete_ended_before(now - timedelta(days=days), MOST_DELETED):
        _log.info("deleted job %s, which ended more than %g days ago", job_id, days)
