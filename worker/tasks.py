"""The one function that RQ calls, in a process of the job's own.

A process that has done one sub-job goes on with another of the same job, because starting a process takes seconds.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from functools import partial
from pkgutil import resolve_name
from typing import Literal, TypeVar

from pydantic import ValidationError

from latentaug.errors import Away, Cancelled, LatentaugError, NotFound
from latentaug.runtime import logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import Attempts, JobError, JobRecord, Json, Kind, connect
from latentaug.runtime.jobs.params import PARAMS
from latentaug.runtime.jobs.queue import JobQueue, TimedOut
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.work import Failed, Work

TASKS: dict[Kind, str] = {
    "train": "worker.train:train",
    "evaluate": "worker.evaluate:evaluate",
    "augment": "worker.augment:augment",
    "label": "worker.label:label",
    "recommend": "worker.recommend:recommend",
}
"""The function that does each kind of job, given its `Work` and parameters. It is imported by name, because each job's
process starts with no imports, and a training needs only half of what an evaluation does."""
SUB_JOB_TASKS: dict[Kind, str] = {"evaluate": "worker.sub_jobs:do_sub_job"}
"""The function that does a sub-job, given its `Work` and its job's parameters."""
TRACK = "worker.tracking:track"
"""The function that writes a job to MLflow, imported by name because MLflow need not be installed."""
PAUSE = 1.0
"""Seconds between two tries while Redis or the store is away."""
GO_ON = 60.0
"""Seconds from its start for which a process takes further sub-jobs of its job, although other jobs may wait."""

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


def run(job_id: str, attempt: int) -> None:
    """Do the claimed attempt at a job or sub-job, and write down how it ended."""
    settings = configuration.load()
    logs.configure(settings)
    tracing.configure(settings, "latentaug-worker")
    redis = answered(lambda: connect(settings))
    attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
    record = answered(lambda: attempts.held(job_id, attempt))
    if record is None:
        _log.info("job %s is no longer this attempt's", job_id)
        return
    try:
        work_through(record, attempts, JobQueue(redis, settings), settings)
    except Cancelled:
        _log.info("job %s was cancelled or taken over", job_id)
    finally:
        tracing.shutdown()


def work_through(first: JobRecord, attempts: Attempts, queue: JobQueue, settings: Settings) -> None:
    """Do a claimed job or sub-job, and then more of the same job for as long as any of it waits.

    While Redis is away this waits for it: the lease is kept, so nobody else takes the job meanwhile.

    Raises:
        Cancelled: the job was cancelled or another attempt has begun.
    """
    artefacts = ArtefactStore(settings.resolved_store_url)
    began = time.monotonic()
    following: JobRecord | None = first
    while following is not None:
        record = following
        work = Work(record, attempts, artefacts, settings)
        result, error = _traced(work, attempts)
        if result is None and error is None:
            answered(partial(_enqueue_sub_jobs, record, attempts, queue))
        else:
            answered(partial(_finish, attempts, work, result, error))
            if settings.mlflow_uri is not None and error is None and record.parent is None:
                ended = record.model_copy(update={"result": result})
                resolve_name(TRACK)(ended, artefacts, settings.mlflow_uri)
        following = answered(partial(attempts.follow, first, record, sub_jobs=time.monotonic() - began < GO_ON))


def answered(question: Callable[[], Answer]) -> Answer:
    """Ask Redis until it answers."""
    while True:
        try:
            return question()
        except Away as away:
            _log.warning("waiting for Redis: %s", away)
            time.sleep(PAUSE)


def _enqueue_sub_jobs(record: JobRecord, attempts: Attempts, queue: JobQueue) -> None:
    queue.enqueue(attempts.sub_jobs(record.id, "queued"))


def _traced(work: Work, attempts: Attempts) -> tuple[Json | None, JobError | None]:
    """Do the record's task, with its ids in the logs, as a span of the trace of the request that made the job."""
    record = work.record
    origin = answered(lambda: attempts.origin(record.id))
    logs.job_id.set(record.id)
    logs.request_id.set(origin.get("request_id"))
    what = "job" if record.parent is None else "sub-job"
    with tracing.span(f"{record.kind} {what}", "CONSUMER", origin) as span:
        span.attributes |= {"latentaug.job_id": record.id, "latentaug.attempt": record.attempt}
        result, error = _do(work, answered(lambda: _task(record, attempts)))
        if error is not None:
            span.fault = f"{error.code}: {error.detail}"
            _log.warning("%s failed: %s", record.kind, span.fault)
        else:
            _log.info("%s %s", record.kind, "fanned out" if result is None else "succeeded")
    return result, error


def _task(record: JobRecord, attempts: Attempts) -> Callable[[Work], Json | None]:
    name, params = TASKS[record.kind], record.params
    if record.parent is not None:
        try:
            name, params = SUB_JOB_TASKS[record.kind], attempts.get(record.parent).params
        except NotFound as error:
            raise Cancelled from error
    return lambda work: resolve_name(name)(work, PARAMS[record.kind].model_validate(params))


def _do(work: Work, task: Callable[[Work], Json | None]) -> tuple[Json | None, JobError | None]:
    """Do the task; return its summary, or what went wrong, or neither where it has fanned out."""
    try:
        result = _patiently(work, task)
        if result is not None and work.record.parent is None:
            work.report(1.0, "done", 0.0, final=True)
    except LatentaugError as error:
        return None, JobError(code=error.code, detail=error.detail)
    except Failed as failed:
        return None, failed.error
    except ValidationError as error:  # the API checks them; another writer may not have
        return None, JobError(code="invalid_input", detail=str(error))
    except TimedOut:
        signal.alarm(0)  # it need not be raised again
        detail = f"the job ran longer than {work.settings.job_timeout:g} seconds; try smaller parameters"
        return None, JobError(code="timeout", detail=detail)
    except Exception as error:  # noqa: BLE001 (whatever it is, the job has failed and its record says so)
        _log.exception("job %s failed", work.record.id)
        return None, JobError(code="internal_error", detail=f"{type(error).__name__}: {error}"[:2000])
    return result, None


def _patiently(work: Work, task: Callable[[Work], Json | None]) -> Json | None:
    """Do the task, again from what it has kept where Redis or the store went away in the midst of it."""
    while True:
        try:
            return task(work)
        except Away as away:
            _log.warning("job %s waits and then goes on from what it has kept: %s", work.record.id, away)
            time.sleep(PAUSE)


def _finish(attempts: Attempts, work: Work, result: Json | None, error: JobError | None) -> None:
    """Write down how the job or sub-job ended."""
    status: Literal["succeeded", "failed"] = "failed" if error else "succeeded"
    attempts.finish(work.record.id, work.record.attempt, status, result=result, error=error)
