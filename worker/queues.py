"""The RQ queues that jobs and their children wait in."""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis
from rq import Queue

from latentaug.runtime.jobs import Attempts, JobRecord, Kind, queue_name

SERIALIZER = "json"  # RQ's default would unpickle whatever lies in Redis


def queue_of(redis: Redis, kind: Kind) -> Queue:
    """The queue for jobs of a kind."""
    return Queue(queue_name(kind), connection=redis, serializer=SERIALIZER)


def enqueue(redis: Redis, attempts: Attempts, records: Sequence[JobRecord]) -> None:
    """Put each in its queue. What is lost on the way there the reconciler makes up for."""
    for record in records:
        queue_of(redis, record.kind).enqueue_call(**attempts.enqueue_arguments(record))
