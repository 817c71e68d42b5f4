"""Job records: in Redis while a job lives, in the artefact store once it has ended. The only place that knows Redis.

    queued ──claim──> running ──finish──> succeeded | failed
      ^                 │ │
      └────requeue──────┘ └──cancel────> cancelled <──cancel── queued

A running job may be split into sub-jobs, which have records of the same kind that callers never see. While they run no
process works at the job itself; the end of the last one puts the job back in its queue, to go on with what they have
made.

Each of these steps is one script that Redis runs as a whole. It names the attempt that asks for it, so that a process
that has lost its job can change nothing. What has ended survives an emptied Redis.

`JobStore` is what callers need; `Attempts` adds what a worker does, and `OldJobs` deletes. `JobQueue`, in `queue.py`,
tells RQ of records; it is not imported here, so that RQ is loaded only where jobs are submitted or run.
"""

from latentaug.runtime.jobs.attempts import Attempts
from latentaug.runtime.jobs.calendar import Calendar
from latentaug.runtime.jobs.connection import answering, connect
from latentaug.runtime.jobs.old_jobs import OldJobs
from latentaug.runtime.jobs.record import (
    ENDS,
    KINDS,
    Event,
    JobError,
    JobRecord,
    Json,
    Kind,
    Progress,
    Status,
    SubJobs,
    default_model_name,
    in_words,
    is_id,
    parent_id,
)
from latentaug.runtime.jobs.store import JobStore

__all__ = [
    "ENDS",
    "KINDS",
    "Attempts",
    "Calendar",
    "Event",
    "JobError",
    "JobRecord",
    "JobStore",
    "Json",
    "Kind",
    "OldJobs",
    "Progress",
    "Status",
    "SubJobs",
    "answering",
    "connect",
    "default_model_name",
    "in_words",
    "is_id",
    "parent_id",
]
