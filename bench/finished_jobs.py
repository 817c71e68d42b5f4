"""A home with many finished jobs, as a month leaves it: those of the last day in Redis, the others in the store alone.

The jobs of the last day are made and ended by the functions that the API and the workers call. Each older one is a copy
of one of these with another id and earlier times, written where the service writes records; `JobStore.complete_index`
then finds them there, as it does whenever Redis was emptied.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from pydantic import BaseModel

from latentaug.options import AugmentParams, EvaluateParams, LabelParams, RecommendParams, TrainParams
from latentaug.runtime.jobs import ENDS, KINDS, Attempts, JobError, JobRecord, Kind, Status
from latentaug.runtime.jobs.record import new_id
from latentaug.storage.objects import ArtefactStore

TENANT = "acme"
"""Whose jobs every second one is."""
OWNER = "0123456789abcdef"
"""Whose key all jobs were asked for with."""
LAST_DAY = 30
"""One job in so many ended within the last day."""
MONTH = timedelta(days=28)
"""The older ones began in this time before the last day."""

_WRITERS = 16
_RESULT = json.dumps({"images": 1200, "seconds": 3.5, "accuracy": {"svm": [0.91, 0.92, 0.9]}}).encode()
_PARAMS: dict[Kind, BaseModel] = {
    "train": TrainParams(dataset="digits"),
    "evaluate": EvaluateParams(dataset="digits"),
    "augment": AugmentParams(dataset="digits", model="digits"),
    "label": LabelParams(dataset="digits", model="digits"),
    "recommend": RecommendParams(dataset="digits"),
}
_SORTS = list(product((None, TENANT), ENDS, KINDS))
"""Tenant, end and kind: all that an index might tell apart."""


@dataclass(frozen=True)
class Filled:
    """The jobs that a home was given, and what it took to find the older ones.

    Attributes:
        recent: jobs of the last day, the first made first.
        old: older jobs, likewise.
        indexing: seconds that `JobStore.complete_index` took to find those that were new to it.
    """

    recent: list[JobRecord]
    old: list[JobRecord]
    indexing: float


def fill(attempts: Attempts, store: ArtefactStore, number: int) -> Filled:
    """Add so many finished jobs of every kind and end, half of them of a tenant."""
    recent = [_finished(attempts, store, *_SORTS[i % len(_SORTS)]) for i in range(max(len(_SORTS), number // LAST_DAY))]
    old = [_aged(recent[i % len(recent)], age) for i, age in enumerate(_ages(number - len(recent)))]
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda record: _write(attempts, store, record), old))
    began = time.perf_counter()
    attempts.complete_index()
    return Filled(recent, old, time.perf_counter() - began)


def _finished(attempts: Attempts, store: ArtefactStore, tenant: str | None, end: Status, kind: Kind) -> JobRecord:
    """Make a job, and have it go through what jobs go through."""
    params: dict[str, Any] = _PARAMS[kind].model_dump(mode="json")
    record, _ = attempts.create(kind, params, owner=OWNER, tenant=tenant)
    attempts.claim(record.id, 1)
    for step in range(5):
        attempts.progress(record.id, 1, step / 5, f"step {step + 1} of 5", 5.0 - step, {"loss": 1.0 / (step + 1)})
    store.put(f"jobs/{record.id}/result.json", _RESULT)
    match end:
        case "succeeded":
            attempts.finish(record.id, 1, "succeeded", {"images": 1200, "seconds": 3.5})
        case "failed":
            attempts.finish(record.id, 1, "failed", error=JobError(code="invalid_input", detail="too few labels"))
        case _:
            attempts.cancel(record.id)
    return attempts.get(record.id)


def _ages(number: int) -> list[timedelta]:
    """How long ago so many older jobs began, the first first."""
    return [timedelta(days=1) + MONTH * (number - i) / number for i in range(number)]


def _aged(record: JobRecord, age: timedelta) -> JobRecord:
    """The same job, begun so long ago."""
    created = datetime.now(UTC) - age
    began, ended = created + timedelta(seconds=1), created + timedelta(minutes=3)
    made_then = f"{int(created.timestamp() * 1000):012x}{new_id()[0][12:]}"
    return record.model_copy(update={"id": made_then, "created_at": created, "started_at": began, "ended_at": ended})


def _write(attempts: Attempts, store: ArtefactStore, record: JobRecord) -> None:
    """Write an ended job's files, and enter them into the ledger."""
    files = {"result.json": _RESULT, "record.json": record.model_dump_json(indent=1).encode()}
    for name, content in files.items():
        store.put(f"jobs/{record.id}/{name}", content)
    attempts.ledger.enter(f"jobs/{record.id}", OWNER, sum(map(len, files.values())))
