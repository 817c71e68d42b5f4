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
from latentaug.storage import formats, tenants

Kind = Literal["train", "evaluate", "augment", "label", "recommend"]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
KINDS: tuple[Kind, ...] = ("train", "evaluate", "augment", "label", "recommend")
LIVING: tuple[Status, ...] = ("queued", "running")
ENDS: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
STATUSES: tuple[Status, ...] = (*LIVING, *ENDS)
Json = dict[str, JsonValue]

_ID = re.compile(r"[0-9a-f]{32}")
_SUB_JOB_ID = re.compile(r"([0-9a-f]{32})_[0-9a-z-]{1,64}")


class Progress(BaseModel):
    """How far a job has come."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: float = Field(default=0.0, ge=0, le=1)
    stage: str = "queued"
    """What it is doing, in a few words."""
    eta_seconds: float | None = None
    """Seconds that it is still expected to take, where that can be estimated."""


class JobError(BaseModel):
    """Why a job failed: a `code` of the error tree, `worker_died` or `timeout`, and the reason in words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    detail: str


class SubJobs(BaseModel):
    """How many sub-jobs a job has, by what has become of them; any number of processes share them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether any of them has not ended."""
        return self.queued + self.running > 0


class JobRecord(BaseModel):
    """One job, or a sub-job of one, which callers never see. Times are UTC."""

    # In JSON, for callers and in the artefact store, `sub_jobs` has the name `children`.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    id: str
    kind: Kind
    status: Status
    progress: Progress = Progress()
    created_at: datetime
    started_at: datetime | None = None
    """When it was first started."""
    ended_at: datetime | None = None
    params: Json
    result: Json | None = None
    """A small summary; the whole result is a file of the job."""
    error: JobError | None = None
    attempt: int = 1
    """How many times the job was put in its queue; a process that works at an earlier attempt has lost the job."""
    sub_jobs: SubJobs | None = Field(default=None, alias="children")
    """Set once the job is split into sub-jobs. Their number grows where some must end before others can begin."""
    tenant: str | None = Field(default=None, exclude_if=lambda tenant: tenant is None)
    """Whose job it is, and whose data sets and models it works with. Left out where the service has no tenants."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDS

    @property
    def parent(self) -> str | None:
        """Id of the job that this is a sub-job of; None for a job."""
        return parent_id(self.id)

    @property
    def dataset(self) -> str | None:
        """Name of the data set that it works on."""
        named = self.params.get("dataset")
        return None if named is None else str(named)

    @property
    def models(self) -> list[str]:
        """Names of the models that it works with."""
        named, recipe = self.params.get("model"), self.params.get("recipe")
        if isinstance(recipe, dict):
            named = recipe.get("model")
        return [str(name) for name in (named if isinstance(named, list) else [named]) if name is not None]

    @property
    def makes(self) -> list[str]:
        """Paths in the store of the models that it makes."""
        if self.kind != "train":
            return []
        return [tenants.path(self.tenant, f"models/{self.params.get('name') or default_model_name(self.id)}")]

    @property
    def uses(self) -> set[str]:
        """Paths in the store of all that must stay while it is unfinished, a model that it makes among them."""
        used = [f"models/{name}" for name in self.models]
        used += [] if self.dataset is None else [f"datasets/{self.dataset}"]
        return {*self.makes, *(tenants.path(self.tenant, each) for each in used)}

    @property
    def fanned_out(self) -> bool:
        """Whether it waits for its sub-jobs, with no process of its own."""
        return self.status == "running" and self.sub_jobs is not None and self.sub_jobs.unfinished


class Event(NamedTuple):
    """One event of a job's stream: `progress`, `metrics` or, once and last, `end`."""

    id: str
    type: Literal["progress", "metrics", "end"]
    data: Json


def end_event_data(record: JobRecord) -> Json:
    """Return the data of the `end` event: how the job ended."""
    return record.model_dump(mode="json", include={"id", "status", "result", "error", "ended_at"})


def new_id() -> tuple[str, datetime]:
    """Return a new job's id and its time of creation.

    The id is a UUID of version 7 (RFC 9562, method 3) in hexadecimal: it starts with the time, to a quarter of a
    microsecond, so that ids sort by age.
    """
    now = time.time_ns()
    milliseconds, rest = divmod(now, 10**6)
    fraction = rest * 4096 // 10**6
    random = 0b10 << 62 | secrets.randbits(62)
    return f"{milliseconds:012x}7{fraction:03x}{random:016x}", datetime.fromtimestamp(now / 1e9, UTC)


def is_id(text: str) -> bool:
    """Return whether `text` has the form of a job's id."""
    return _ID.fullmatch(text) is not None


def parent_id(job_id: str) -> str | None:
    """Return the job's id where `job_id` has the form of a sub-job's, `<job>_<name>`, and None otherwise."""
    found = _SUB_JOB_ID.fullmatch(job_id)
    return found and found[1]


def check_id(job_id: str) -> str:
    """Return `job_id` if it can be one.

    Raises:
        NotFound: not 32 lower-case hexadecimal digits.
    """
    if not is_id(job_id):
        raise NotFound.named("jobs", job_id)
    return job_id


def in_words(path: str) -> str:
    """Return how to call what a path of `JobRecord.uses` leads to."""
    shelf, name = path.split("/")[-2:]
    return f"the {'model' if shelf == 'models' else 'data set'} {name!r}"


def default_model_name(job_id: str) -> str:
    """Return the name of the model that a train job without a `name` makes."""
    return f"vae-{job_id[-8:]}"


def to_fields(record: JobRecord) -> list[str]:
    """Return the names and values of a new record's Redis hash, one after the other."""
    return [
        *("id", record.id, "kind", record.kind, "status", record.status, "attempt", str(record.attempt)),
        *("created_at", record.created_at.isoformat(), "queued_at", str(record.created_at.timestamp())),
        *("params", json.dumps(record.params), "progress", record.progress.model_dump_json()),
        *("format", str(formats.FORMAT)),
        *(() if record.tenant is None else ("tenant", record.tenant)),
    ]


def from_fields(fields: dict[bytes, bytes]) -> JobRecord:
    """Return the record that a Redis hash holds; what it holds besides, and this release does not know, is passed over.

    Raises:
        Newer: a newer service has made it.
        ValueError: it cannot be read.
    """
    values: dict[str, Any] = {name.decode(): value.decode() for name, value in fields.items()}
    formats.check(int(values.get("format", 1)), f"the record of job {values.get('id')}")
    for name in ("params", "progress", "result", "error", "sub_jobs"):
        if name in values:
            values[name] = json.loads(values[name])
    known = {name: values[name] for name in JobRecord.model_fields if name in values}
    return JobRecord.model_validate(known, extra="ignore")
