"""Brings records and queues back together after a crash: no job is lost, and none waits for a process that is gone.

A second thread keeps the store in order: it writes the records that could not be written before, deletes what is old
enough, and sweeps up what killed processes have left behind. With 100,000 jobs a sweep takes seconds, for which no job
has to wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from redis import Redis
from redis.exceptions import LockError

from latentaug.errors import Away, LatentaugError
from latentaug.runtime.jobs import Attempts, Calendar, JobRecord, OldJobs, answering, connect
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.retention import delete_old_jobs, delete_unused_uploads
from worker.sweeping import sweep

EVERY = 3.0
"""Seconds between two rounds."""
LATEST = 6.0
"""Seconds between two rounds after which Redis, or this process, must have been away meanwhile."""
PATIENCE = 10.0
"""Seconds that a job may take from its record to its queue, and from its queue to a worker."""
CLEANUP_EVERY = 20
"""Rounds between two cleanings of RQ's registries."""
SWEEP_EVERY = 200
"""Rounds between two sweeps of the store."""

_log = logging.getLogger(__name__)


class Watch:
    """Which jobs have lost their process, judged by their leases.

    While Redis is away nobody can renew a lease, so that those of living processes run out; a clock that is set forward
    ends all of them at once. A process is therefore taken to be gone only if its lease is still missing some seconds
    after that was first seen, with no break between. A living one would have renewed it by then.

    Args:
        grace: these seconds.
        clock: tells the seconds.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._missing: dict[tuple[str, int], float] = {}
        self._looked = clock()

    def begin(self) -> None:
        """Begin a look at all jobs; what was seen too long ago counts no longer."""
        now = self._clock()
        if now - self._looked > LATEST:
            self.forget()
        self._looked = now

    def forget(self) -> None:
        """Forget what was seen, as Redis has been away since."""
        self._missing.clear()

    @property
    def pause(self) -> float:
        """Seconds until the next look: fewer where one will tell that a process is gone."""
        return min(EVERY, self._grace) if self._missing else EVERY

    def gone(self, record: JobRecord, *, lease: bool) -> bool:
        """Return whether a running job's process is gone, given whether it has a lease."""
        attempt, now = (record.id, record.attempt), self._clock()
        if not lease and now - self._missing.setdefault(attempt, now) < self._grace:
            return False
        self._missing.pop(attempt, None)
        return not lease


def start_reconciling(stop: threading.Event, settings: Settings) -> None:
    """Reconcile, and tend the store, in threads of their own until `stop` is set.

    Many processes may do this; of each, one at a time holds the lock.
    """
    for name, until in (("reconciler", _reconcile_until), ("tender", _tend_until)):
        threading.Thread(target=until, args=(stop, settings), name=name, daemon=True).start()


def _reconcile_until(stop: threading.Event, settings: Settings) -> None:
    watch, pause = Watch(settings.lease_seconds / 3), 0.0

    def look(redis: Redis, artefacts: ArtefactStore) -> None:
        reconcile(Attempts(redis, artefacts, settings), JobQueue(redis, settings), watch)

    while not stop.wait(pause):
        if not _went_well("reconciler", settings, look):
            watch.forget()
        pause = watch.pause


def _tend_until(stop: threading.Event, settings: Settings) -> None:
    number, pause = 0, 0.0

    def look(redis: Redis, artefacts: ArtefactStore) -> None:
        tend(redis, artefacts, settings, number, datetime.now(UTC))

    while not stop.wait(pause):
        _went_well("tender", settings, look)
        number, pause = number + 1, EVERY


def _went_well(name: str, settings: Settings, look: Callable[[Redis, ArtefactStore], None]) -> bool:
    """Do a round unless another process holds the lock of that name; return False where something went wrong."""
    try:
        with connect(settings) as redis:
            artefacts = ArtefactStore(settings.resolved_store_url)
            with suppress(LockError), answering(), redis.lock(f"latentaug:{name}", timeout=60, blocking=False):
                look(redis, artefacts)
    except LatentaugError as error:
        _log.warning("the %s has to wait: %s", name, error)
        return False
    except Exception:  # noqa: BLE001 (whatever it is, the next round may go well)
        _log.exception("a round of the %s failed", name)
        return False
    return True


def reconcile(attempts: Attempts, queue: JobQueue, watch: Watch) -> None:
    """Look at each unfinished job and sub-job once.

    Raises:
        Away: Redis does not answer.
    """
    watch.begin()
    waiting = queue.waiting()  # before the records, or a job that a worker takes meanwhile would seem to be in no queue
    for record in attempts.unfinished_with_sub_jobs():
        try:
            _look_after(record, waiting, attempts, queue, watch)
        except Away:
            raise
        except Exception:  # noqa: BLE001 (the trouble of one job must not hold up the others)
            _log.exception("job %s could not be looked after", record.id)


def _look_after(
    record: JobRecord, waiting: set[tuple[str, int]], attempts: Attempts, queue: JobQueue, watch: Watch
) -> None:
    if record.status == "running":
        if not record.fanned_out and watch.gone(record, lease=attempts.lease_alive(record.id)):
            _log.warning("job %s has lost its process", record.id)
            again = attempts.requeue(record.id, record.attempt)
            queue.enqueue([] if again is None else [again])
    elif (record.id, record.attempt) not in waiting and attempts.waiting_seconds(record) > PATIENCE:
        _log.warning("job %s waits in no queue; putting it back", record.id)
        queue.enqueue([record])


def tend(redis: Redis, artefacts: ArtefactStore, settings: Settings, number: int, now: datetime) -> None:
    """Do what can wait, in the round of that number; where one part fails, the others are done all the same."""
    attempts, old = Attempts(redis, artefacts, settings), OldJobs(redis, artefacts)
    _try("keep the records of ended jobs", attempts.keep_ended)
    if number % CLEANUP_EVERY == 0:
        _try("clean RQ's registries", JobQueue(redis, settings).clean)
    if number % SWEEP_EVERY == 0:
        _try("complete the index of jobs", attempts.complete_index)
    if not Calendar(redis).believed(now):
        return
    if number % SWEEP_EVERY == 0:
        _try("delete unused uploads", partial(delete_unused_uploads, artefacts, attempts, settings, now))
        _try("sweep the store", partial(sweep, artefacts, attempts, old, now))
    _try("delete old jobs", partial(delete_old_jobs, old, attempts, settings, now))


def _try(what: str, step: Callable[[], object]) -> None:
    try:
        step()
    except LatentaugError as error:
        _log.warning("cannot %s: %s", what, error)
    except Exception:  # noqa: BLE001 (what goes wrong here must hold up neither the jobs nor the rest)
        _log.exception("cannot %s", what)
