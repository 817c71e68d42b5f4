"""Job records: in Redis while a job lives, in the artefact store once it has ended. The only place that knows Redis.

    queued ──claim──> running ──finish──> succeeded | failed
      ^                 │ │
      └────requeue──────┘ └──cancel────> cancelled <──cancel── queued

A running job may fan out into children, records of the same kind that callers never see. Meanwhile no process works at
the job itself; the end of the last child puts it back in its queue, to go on with what they have made.

Every step is one compare-and-set. The number of the attempt fences it: a worker that has lost its job can change
nothing. What has ended survives an emptied Redis.

`JobStore` is what callers need; `Attempts` adds what a worker does.
"""

from latentaug.runtime.jobs.attempts import Attempts
from latentaug.runtime.jobs.connection import answering, connect
from latentaug.runtime.jobs.record import (
    KINDS,
    TASK,
    Children,
    Event,
    JobError,
    JobRecord,
    Kind,
    Progress,
    Status,
    default_model_name,
    is_id,
    parent_id,
    queue_name,
    rq_job_id,
)
from latentaug.runtime.jobs.store import JobStore

__all__ = [
    "KINDS",
    "TASK",
    "Attempts",
    "Children",
    "Event",
    "JobError",
    "JobRecord",
    "JobStore",
    "Kind",
    "Progress",
    "Status",
    "answering",
    "connect",
    "default_model_name",
    "is_id",
    "parent_id",
    "queue_name",
    "rq_job_id",
]
