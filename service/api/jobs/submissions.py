"""Jobs as the API submits, cancels, deletes and counts them.

A job's record alone says how it stands. A failure to tell the queue of it is therefore logged, not answered: what the
queue misses is made up for, as `latentaug.runtime.jobs.queue` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError

from latentaug.errors import Unavailable
from latentaug.runtime import logs, tracing
from latentaug.runtime.jobs import JobRecord, JobStore, Kind, answering, connect, default_model_name
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.api.http.request_log import logger
from service.api.metrics import JobFigures


@dataclass(frozen=True)
class _Connected:
    redis: Redis
    store: JobStore
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
        self, kind: Kind, params: BaseModel, *, owner: str, idempotency_key: str | None, reserve: str | None
    ) -> tuple[JobRecord, bool]:
        """Make a job and put it into its queue, or find the one that the same key made before.

        Returns:
            The record, and whether it is new.

        Raises:
            Conflict: `reserve` is held by an unfinished job, or the key was used for another request.
            TooManyRequests: the queue is full.
            Unavailable: Redis does not answer.
        """
        connected = self._connect()
        plain = params.model_dump(mode="json")
        with tracing.span(f"enqueue {kind}", "PRODUCER") as span:
            current = logs.request_id.get()
            origin = tracing.carrier() | ({} if current is None else {"request_id": current})
            record, created = connected.store.create(
                kind, plain, owner=owner, idempotency_key=idempotency_key, reserve=reserve, origin=origin
            )
            span.attributes["latentaug.job_id"] = record.id
        if created:
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
        """Delete the record and the files of a job that has ended; raises what `JobStore.delete` raises."""
        self._connect().store.delete(job_id)

    def using(self, dataset: str) -> list[str]:
        """Return the ids of the unfinished jobs that work on a data set.

        Raises:
            Unavailable: Redis does not answer.
        """
        return [record.id for record in self.store.unfinished() if record.params.get("dataset") == dataset]

    def using_model(self, model: str) -> list[str]:
        """Return the ids of the unfinished jobs that work with a model or are making it.

        Raises:
            Unavailable: Redis does not answer.
        """
        return [record.id for record in self.store.unfinished() if model in (*_uses(record), _makes(record))]

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

    def _connect(self) -> _Connected:
        with self._lock:
            if self._connected is None:
                redis = connect(self._settings)
                store = JobStore(redis, self._artefacts, self._settings)
                self._connected = _Connected(redis, store, JobQueue(redis, self._settings))
            return self._connected


def _uses(record: JobRecord) -> Sequence[object]:
    """Names of the models that a job works with."""
    named, recipe = record.params.get("model"), record.params.get("recipe")
    if isinstance(recipe, dict):
        named = recipe.get("model")
    return named if isinstance(named, list) else [named]


def _makes(record: JobRecord) -> object:
    """Name of the model that a job makes; None where it makes none."""
    return record.params.get("name") or default_model_name(record.id) if record.kind == "train" else None
