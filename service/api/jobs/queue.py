"""Jobs as the API sees them: their records, and the RQ queues that their work waits in.

The record alone is the truth. RQ is told of a new job and told to stop a cancelled one, but what it misses is made up
for: the workers' reconciler puts a waiting job back into its queue, and a job that lost its lease stops by itself. So a
failure to tell RQ is logged, not answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from latentaug.runtime import logs, tracing
from latentaug.runtime.jobs import (
    KINDS,
    JobRecord,
    JobStore,
    Kind,
    answering,
    connect,
    default_model_name,
    queue_name,
    rq_job_id,
)
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.api.http.request_log import logger
from service.api.metrics import JobFigures

SERIALIZER = "json"  # RQ's default would unpickle whatever lies in Redis


class Jobs:
    """Job records with their queues. Redis is connected to when it is first needed, for it may be away at start."""

    def __init__(self, settings: Settings, artefacts: ArtefactStore) -> None:
        self._settings = settings
        self._artefacts = artefacts
        self._connected: tuple[Redis, JobStore] | None = None
        self._lock = Lock()

    @property
    def store(self) -> JobStore:
        """The job records.

        Raises:
            Unavailable: Redis was never there so far.
        """
        return self._connect()[1]

    def submit(
        self, kind: Kind, params: BaseModel, *, owner: str, idempotency_key: str | None, reserve: str | None
    ) -> tuple[JobRecord, bool]:
        """Make a job and put it into its queue, or find the one that the same key made before.

        Returns:
            The record, and whether it is new.

        Raises:
            Conflict: `reserve` is held by an unfinished job, or the key was used for another request.
            TooManyRequests: the queue is full.
            Unavailable: Redis is away.
        """
        redis, store = self._connect()
        plain = params.model_dump(mode="json")
        with tracing.span(f"enqueue {kind}", "PRODUCER") as span:
            current = logs.request_id.get()
            origin = tracing.carrier() | ({} if current is None else {"request_id": current})
            record, created = store.create(
                kind, plain, owner=owner, idempotency_key=idempotency_key, reserve=reserve, origin=origin
            )
            span.attributes["latentaug.job_id"] = record.id
        if created:
            logger.info("%s job queued", kind, extra={"fields": {"job_id": record.id}})
            try:
                queue = Queue(queue_name(kind), connection=redis, serializer=SERIALIZER)
                queue.enqueue_call(**store.enqueue_arguments(record))
            except RedisError as error:
                logger.warning("job %s waits for the reconciler: %s", record.id, error)
        return record, created

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job and have its process killed.

        Raises:
            NotFound: no such job.
            Conflict: it has ended in another way.
            Unavailable: Redis is away.
        """
        redis, store = self._connect()
        record = store.cancel(job_id)
        try:
            send_stop_job_command(redis, rq_job_id(record), serializer=SERIALIZER)
        except (NoSuchJobError, InvalidJobOperation):
            pass  # it waited, or has stopped already
        except RedisError as error:
            logger.warning("job %s stops when its lease is refused: %s", record.id, error)
        return record

    def using(self, dataset: str) -> list[str]:
        """Ids of the unfinished jobs that work on a data set.

        Raises:
            Unavailable: Redis is away.
        """
        return [record.id for record in self.store.unfinished() if record.params.get("dataset") == dataset]

    def using_model(self, model: str) -> list[str]:
        """Ids of the unfinished jobs that work with a model or are making it.

        Raises:
            Unavailable: Redis is away.
        """
        return [record.id for record in self.store.unfinished() if model in (*_uses(record), _makes(record))]

    def figures(self) -> JobFigures:
        """What `/metrics` tells of jobs and workers.

        Raises:
            Unavailable: Redis is away.
        """
        redis, store = self._connect()
        counts = store.counts()
        with answering():
            queues = {kind: Queue(queue_name(kind), connection=redis, serializer=SERIALIZER) for kind in KINDS}
            return JobFigures(
                jobs={(kind, status): count for (kind, status), count in counts.items()},
                waiting={kind: queue.count for kind, queue in queues.items()},
                workers={kind: len(Worker.all(queue=queue, serializer="json")) for kind, queue in queues.items()},
                counted=store.counted(),
            )

    def ping(self) -> None:
        """Ask Redis for a sign of life.

        Raises:
            Unavailable: it gives none.
        """
        with answering():
            self._connect()[0].ping()

    def close(self) -> None:
        """Close the connections to Redis."""
        if self._connected is not None:
            self._connected[0].close()

    def _connect(self) -> tuple[Redis, JobStore]:
        with self._lock:
            if self._connected is None:
                redis = connect(self._settings)
                self._connected = redis, JobStore(redis, self._artefacts, self._settings)
            return self._connected


def _uses(record: JobRecord) -> Sequence[object]:
    """Names of the models that a job works with."""
    named = record.params.get("model")
    return named if isinstance(named, list) else [named]


def _makes(record: JobRecord) -> object:
    """Name of the model that a job makes; None where it makes none."""
    return record.params.get("name") or default_model_name(record.id) if record.kind == "train" else None
