"""Brings records and queues back together after a crash: no job is lost, and none waits for a process that is gone."""

from __future__ import annotations

import logging
import threading

from redis import Redis
from redis.exceptions import LockError
from rq.registry import clean_registries

from latentaug.errors import LatentaugError
from latentaug.runtime.jobs import KINDS, Attempts, answering, connect, rq_job_id
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.queues import enqueue, queue_of

EVERY = 3.0
"""Seconds between two rounds."""
PATIENCE = 10.0
"""Seconds that a job may be on its way from its record to its queue and from there to a worker."""
CLEANUP_EVERY = 20
"""Rounds between two cleanings of RQ's registries."""

_log = logging.getLogger(__name__)


def reconcile_until(stop: threading.Event, settings: Settings) -> None:
    """Reconcile every few seconds; one process at a time does, whichever holds the lock."""
    pause, rounds = 0.0, 0
    while not stop.wait(pause):
        try:
            _round(settings, clean=rounds % CLEANUP_EVERY == 0)
            pause = EVERY
        except LatentaugError as error:
            _log.warning("cannot reconcile: %s", error)
            pause = settings.lease_seconds  # once Redis is back, those who live renew their leases first
        except Exception:  # noqa: BLE001 (one bad record must not end all rounds)
            _log.exception("a round of the reconciler failed")
            pause = settings.lease_seconds
        rounds += 1


def _round(settings: Settings, *, clean: bool) -> None:
    redis = connect(settings)
    attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
    try:
        with answering(), redis.lock("latentaug:reconciler", timeout=60, blocking=False):
            reconcile(redis, attempts)
            if clean:
                clean_up(redis)
    except LockError:  # another does it, or took over from us
        pass
    finally:
        redis.close()


def reconcile(redis: Redis, attempts: Attempts) -> None:
    """Look at each unfinished job and child once.

    Raises:
        Unavailable: Redis does not answer.
    """
    attempts.keep_ended()
    in_queues = {job_id for kind in KINDS for job_id in queue_of(redis, kind).job_ids}
    for record in attempts.unfinished_with_children():
        if record.status == "running":
            if not record.fanned_out and not attempts.lease_alive(record.id):
                _log.warning("job %s has lost its process", record.id)
                again = attempts.requeue(record.id, record.attempt)
                enqueue(redis, attempts, [] if again is None else [again])
        elif rq_job_id(record) not in in_queues and attempts.waiting_seconds(record) > PATIENCE:
            _log.warning("job %s waits in no queue", record.id)
            enqueue(redis, attempts, [record])


def clean_up(redis: Redis) -> None:
    """Have RQ forget what its dead workers held."""
    for kind in KINDS:
        clean_registries(queue_of(redis, kind))
