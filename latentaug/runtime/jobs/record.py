"""What is known about a job: the `GET /v1/jobs/{id}` answer, and the events on the way there."""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from latentaug.errors import NotFound

Kind = Literal["train", "evaluate", "augment"]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
KINDS: tuple[Kind, ...] = ("train", "evaluate", "augment")
LIVING: tuple[Status, ...] = ("queued", "running")
ENDS: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
TASK = "worker.tasks.run"
"""The one function that workers run."""

_ID = re.compile(r"[0-9a-f]{32}")
_CHILD_ID = re.compile(r"([0-9a-f]{32})_[0-9a-z-]{1,64}")


class Progress(BaseModel):
    """How far a job is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: float = Field(default=0.0, ge=0, le=1)
    stage: str = "queued"
    """What it is doing, in a few words."""
    eta_seconds: float | None = None
    """Seconds it will still take, where that can be told."""


class JobError(BaseModel):
    """Why a job failed: the `code` of the error tree (or `worker_died`, `timeout`), and words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    detail: str


class Children(BaseModel):
    """The parts of a job that any number of workers share, counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0

    @property
    def open(self) -> bool:
        """Whether any has not ended."""
        return self.queued + self.running > 0


class JobRecord(BaseModel):
    """One job, or a child of one, which callers never see. Times are UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: Kind
    status: Status
    progress: Progress = Progress()
    created_at: datetime
    started_at: datetime | None = None
    """When it was first started."""
    ended_at: datetime | None = None
    params: dict[str, JsonValue]
    result: dict[str, JsonValue] | None = None
    """A small summary; the whole result is a file of the job."""
    error: JobError | None = None
    attempt: int = 1
    """Counts the times the job was put in its queue; a worker that holds an earlier number has lost the job."""
    children: Children | None = None
    """Of a job that was split into parts, once it is. Their number grows where one part must end before another."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDS

    @property
    def parent(self) -> str | None:
        """Id of the job that this is a child of."""
        return parent_id(self.id)

    @property
    def fanned_out(self) -> bool:
        """Whether it waits for its children, with no process of its own."""
        return self.status == "running" and self.children is not None and self.children.open


class Event(NamedTuple):
    """One event of a job's stream: progress, metrics or, once and last, end."""

    id: str
    type: Literal["progress", "metrics", "end"]
    data: dict[str, Any]


def end_event_data(record: JobRecord) -> dict[str, Any]:
    """Data of the `end` event: how the job ended."""
    return record.model_dump(mode="json", include={"id", "status", "result", "error", "ended_at"})


def new_id() -> tuple[str, datetime]:
    """A new job's id and time of creation.

    The id is a UUID of version 7 (RFC 9562, method 3) in hexadecimal: it starts with the time, to a quarter of a
    microsecond, so that ids sort by age.
    """
    now = time.time_ns()
    milliseconds, rest = divmod(now, 10**6)
    fraction = rest * 4096 // 10**6
    random = 0b10 << 62 | secrets.randbits(62)
    return f"{milliseconds:012x}7{fraction:03x}{random:016x}", datetime.fromtimestamp(now / 1e9, UTC)


def is_id(text: str) -> bool:
    """Whether `text` has the form of a job's id."""
    return _ID.fullmatch(text) is not None


def parent_id(job_id: str) -> str | None:
    """The parent's id where `job_id` has the form of a child's: `<parent>_<name>`."""
    found = _CHILD_ID.fullmatch(job_id)
    return found and found[1]


def check_id(job_id: str) -> str:
    """Return `job_id` if it can be one.

    Raises:
        NotFound: not 32 lower-case hexadecimal digits.
    """
    if not is_id(job_id):
        raise NotFound(f"no job has the id {job_id[:80]!r}; GET /v1/jobs lists them")
    return job_id


def default_model_name(job_id: str) -> str:
    """The name of the model that a train job without a `name` makes."""
    return f"vae-{job_id[-8:]}"


def queue_name(kind: Kind) -> str:
    """Name of the RQ queue for jobs of a kind."""
    return kind


def rq_job_id(record: JobRecord) -> str:
    """RQ's id for this attempt: what `rq.command.send_stop_job_command` takes."""
    return f"{record.id}-{record.attempt}"


def to_fields(record: JobRecord) -> list[str]:
    """A new record as the names and values of its Redis hash, one after the other."""
    return [
        *("id", record.id, "kind", record.kind, "status", record.status, "attempt", str(record.attempt)),
        *("created_at", record.created_at.isoformat(), "queued_at", str(record.created_at.timestamp())),
        *("params", json.dumps(record.params), "progress", record.progress.model_dump_json()),
    ]


def from_fields(fields: dict[bytes, bytes]) -> JobRecord:
    """The record that stands in a Redis hash."""
    values: dict[str, Any] = {name.decode(): value.decode() for name, value in fields.items()}
    for name in ("params", "progress", "result", "error", "children"):
        if name in values:
            values[name] = json.loads(values[name])
    return JobRecord.model_validate({name: values[name] for name in JobRecord.model_fields if name in values})
