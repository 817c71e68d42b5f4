"""Jobs as the API submits, cancels, deletes and counts them.

A job's record alone says how it stands. A failure to tell the queue of it is therefore logged, not answered: what the
queue misses is made up for, as `latentaug.runtime.jobs.queue` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError

from latentaug import datasets
from latentaug.errors import Conflict, NotFound, NotStored, Unavailable
from latentaug.runtime import logs, tracing
from latentaug.runtime.jobs import JobRecord, JobStore, Kind, OldJobs, answering, connect, in_words
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage import models, tenants
from latentaug.storage.objects import ArtefactStore
from service.api.http.request_log import logger
from service.api.metrics import JobFigures


@dataclass(frozen=True)
class _Connected:
    redis: Redis
    store: JobStore
    old: OldJobs
    queue: JobQueue


class Jobs:
    """Job records with their queues. Redis is connected to when it is first needed, for it may be away at start."""

    def __init__(self, settings: Settings, artefacts: ArtefactStore) -> None:
        self._settings = settings
        self._artefacts = artefacts
        self._connected: _Connected | None = None
        self._lock = Lock()

    @property
    def store(self) -> JobStore:
        """The job records.

        Raises:
            Unavailable: Redis has not answered since this process started.
        """
        return self._connect().store

    def submit(
        self,
        kind: Kind,
        params: BaseModel,
        *,
        owner: str,
        tenant: str | None,
        idempotency_key: str | None,
        reserve: str | None,
    ) -> tuple[JobRecord, bool]:
        """Make a job and put it into its queue, or find the one that the same key made before.

        Returns:
            The record, and whether it is new.

        Raises:
            Conflict: `reserve` is held by an unfinished job, the key was used for another request, or what the job uses
                is being deleted.
            NotFound: what the job uses was deleted just now.
            NotStored: the owner has stored as much as one may.
            TooManyRequests: the queue is full, or the owner has enough jobs.
            Unavailable: Redis does not answer.
        """
        connected = self._connect()
        self.check_room(owner)
        plain = params.model_dump(mode="json")
        with tracing.span(f"enqueue {kind}", "PRODUCER") as span:
            current = logs.request_id.get()
            origin = tracing.carrier() | ({} if current is None else {"request_id": current})
            record, created = connected.store.create(
                kind,
                plain,
                owner=owner,
                tenant=tenant,
                idempotency_key=idempotency_key,
                reserve=reserve,
                origin=origin,
            )
            span.attributes["latentaug.job_id"] = record.id
        if created:
            self._check_still_there(record)
            logger.info("%s job queued", kind, extra={"fields": {"job_id": record.id}})
            try:
                connected.queue.enqueue([record])
            except (Unavailable, RedisError) as error:
                logger.warning("job %s waits until the reconciler puts it into its queue: %s", record.id, error)
        return record, created

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job and have its process killed.

        Raises:
            NotFound: there is no such job.
            Conflict: it has ended in another way.
            Unavailable: Redis does not answer.
        """
        connected = self._connect()
        record = connected.store.cancel(job_id)
        try:
            connected.queue.stop(record)
        except (Unavailable, RedisError) as error:
            logger.warning("the process of job %s stops when its lease is refused: %s", record.id, error)
        return record

    def delete(self, job_id: str) -> None:
        """Delete the record and the files of a job that has ended; raises what `OldJobs.delete` raises."""
        self._connect().old.delete(job_id)

    def delete_unused(self, path: str, delete: Callable[[], None]) -> None:
        """Delete a data set or model, which no job can begin to use meanwhile.

        Args:
            path: where it is in the store, such as `datasets/mine`.
            delete: deletes it.

        Raises:
            Conflict: an unfinished job uses it, or it is being deleted already.
            Unavailable: Redis does not answer.
        """
        with self.store.deleting(path) as users:
            if users:
                raise Conflict(f"job {users[0]} uses {in_words(path)}; wait for it or cancel it first")
            self.store.ledger.erase(path)  # first: after the deletion it might never be done
            delete()

    def check_room(self, owner: str, wanted: int = 0) -> None:
        """Refuse an owner who would store more than one may.

        Args:
            owner: whose key it is; nobody is refused without one.
            wanted: bytes that are to be stored, as far as they are known.

        Raises:
            NotStored: it would be more.
            Unavailable: Redis does not answer.
        """
        most = self._settings.max_stored_bytes_per_key
        if not owner or most is None:
            return
        stored = self.store.ledger.total(owner)
        if stored + wanted > most or stored >= most:
            raise NotStored(
                f"your key has stored {stored:,} of the {most:,} bytes that it may, and this would be more; delete "
                "data sets or models that you no longer need, and try again"
            )

    def enter(self, path: str, owner: str) -> None:
        """Write down how much an owner has stored at a path; where Redis is away it is not counted."""
        try:
            if owner:
                size = sum(entry.size for entry in self._artefacts.entries(path))
                self.store.ledger.enter(path, owner, size)
        except Unavailable as error:
            logger.warning("%s is not counted among what its owner has stored: %s", path, error)

    def figures(self) -> JobFigures:
        """Count jobs and workers for `/metrics`.

        Raises:
            Unavailable: Redis does not answer.
        """
        connected = self._connect()
        return JobFigures(
            jobs=connected.store.counts(),
            waiting=connected.queue.depths(),
            workers=connected.queue.workers(),
            counted=connected.store.counted(),
            stored=connected.store.ledger.totals(),
        )

    def ping(self) -> None:
        """Ask Redis for a sign of life.

        Raises:
            Unavailable: it gives none.
        """
        with answering():
            self._connect().redis.ping()

    def close(self) -> None:
        """Close the connections to Redis."""
        if self._connected is not None:
            self._connected.redis.close()

    def _check_still_there(self, record: JobRecord) -> None:
        """Cancel a job if what it uses was deleted between the check of its request and the start of the job."""
        store = tenants.of(self._artefacts, record.tenant)
        try:
            if record.dataset is not None:
                datasets.check_exists(record.dataset, store)
            for name in record.models:
                models.check_exists(store, name)
        except NotFound:
            self.store.cancel(record.id)
            raise

    def _connect(self) -> _Connected:
        with self._lock:
            if self._connected is None:
                redis = connect(self._settings)
                store = JobStore(redis, self._artefacts, self._settings)
                self._connected = _Connected(
                    redis, store, OldJobs(redis, self._artefacts), JobQueue(redis, self._settings)
                )
            return self._connected
