"""The one function that RQ calls, in a process of the job's own.

A process that is through with one part of a job goes on with another, for to start costs seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from pydantic import ValidationError
from redis import Redis
from rq.timeouts import JobTimeoutException

from latentaug.errors import Cancelled, LatentaugError, NotFound, Unavailable
from latentaug.runtime import logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import Attempts, JobError, JobRecord, Kind, connect
from latentaug.runtime.jobs.params import PARAMS
from latentaug.runtime.lifeline import tie
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.queue_process import PARENT
from worker.queues import enqueue
from worker.work import Failed, Work

TASKS: dict[Kind, str] = {
    "train": "worker.train:train",
    "evaluate": "worker.evaluate:evaluate",
    "augment": "worker.augment:augment",
}
"""What does a job, given its `Work` and parameters. Imported by name: a training needs half of what an evaluation does,
and every job's process imports anew."""
CHILD_TASKS: dict[Kind, str] = {"evaluate": "worker.sub_jobs:do_child"}
"""What does a part of a job, given its `Work` and its parent's parameters."""
FINISH_PAUSE = 1.0
GO_ON = 60.0
"""Seconds from its start for which a process takes further parts of its job, past others that wait."""

_log = logging.getLogger(__name__)


def run(job_id: str, attempt: int) -> None:
    """Do the claimed attempt at a job or child, and write down how it ended."""
    tie(int(os.environ.get(PARENT, os.getppid())), signal.SIGKILL)
    settings = configuration.load()
    logs.configure(settings)
    tracing.configure(settings, "latentaug-worker")
    redis = connect(settings)
    attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
    record = attempts.held(job_id, attempt)
    if record is None:
        _log.info("job %s is no longer this attempt's", job_id)
        return
    try:
        work_through(record, attempts, redis, settings)
    except Cancelled:
        _log.info("job %s was cancelled or taken over", job_id)
    finally:
        tracing.shutdown()


def work_through(first: JobRecord, attempts: Attempts, redis: Redis, settings: Settings) -> None:
    """Do a claimed job or child, and then more of the same job as long as any is to be had.

    Raises:
        Cancelled: the job was cancelled or another attempt has begun.
    """
    artefacts = ArtefactStore(settings.resolved_store_url)
    began = time.monotonic()
    record: JobRecord | None = first
    while record is not None:
        work = Work(record, attempts, artefacts, settings)
        result, error = _traced(work, attempts)
        if result is None and error is None:
            enqueue(redis, attempts, attempts.children(record.id, "queued"))
        else:
            _finish(attempts, work, result, error)
        record = attempts.follow(first, record, siblings=time.monotonic() - began < GO_ON)


def _traced(work: Work, attempts: Attempts) -> tuple[dict[str, Any] | None, JobError | None]:
    """Do the record's task, with its ids in the logs and as a span of the trace that its job comes from."""
    record = work.record
    origin = attempts.origin(record.id)
    logs.job_id.set(record.id)
    logs.request_id.set(origin.get("request_id"))
    what = "job" if record.parent is None else "part"
    with tracing.span(f"{record.kind} {what}", "CONSUMER", origin) as span:
        span.attributes |= {"latentaug.job_id": record.id, "latentaug.attempt": record.attempt}
        result, error = _do(work, _task(record, attempts))
        if error is not None:
            span.fault = f"{error.code}: {error.detail}"
            _log.warning("%s failed: %s", record.kind, span.fault)
        else:
            _log.info("%s %s", record.kind, "fanned out" if result is None else "succeeded")
    return result, error


def _task(record: JobRecord, attempts: Attempts) -> Callable[[Work], dict[str, Any] | None]:
    name, params = TASKS[record.kind], record.params
    if record.parent is not None:
        try:
            name, params = CHILD_TASKS[record.kind], attempts.get(record.parent).params
        except NotFound as error:
            raise Cancelled from error
    return lambda work: resolve_name(name)(work, PARAMS[record.kind].model_validate(params))


def _do(work: Work, task: Callable[[Work], dict[str, Any] | None]) -> tuple[dict[str, Any] | None, JobError | None]:
    """Do the task; return its summary, or what went wrong, or neither where it has fanned out."""
    try:
        result = task(work)
        if result is not None and work.record.parent is None:
            work.report(1.0, "done", 0.0, final=True)
    except LatentaugError as error:
        return None, JobError(code=error.code, detail=error.detail)
    except Failed as failed:
        return None, failed.error
    except ValidationError as error:  # the API checks them; another writer may not have
        return None, JobError(code="invalid_input", detail=str(error))
    except JobTimeoutException:
        signal.alarm(0)  # it has been heard
        detail = f"the job ran longer than {work.settings.job_timeout:g} seconds; try smaller parameters"
        return None, JobError(code="timeout", detail=detail)
    except Exception as error:  # noqa: BLE001 (whatever it is, the job has failed and its record says so)
        _log.exception("job %s failed", work.record.id)
        return None, JobError(code="internal_error", detail=f"{type(error).__name__}: {error}"[:2000])
    return result, None


def _finish(attempts: Attempts, work: Work, result: dict[str, Any] | None, error: JobError | None) -> None:
    """End the record, as soon as Redis answers."""
    while True:
        try:
            attempts.finish(
                work.record.id, work.record.attempt, "failed" if error else "succeeded", result=result, error=error
            )
        except Unavailable as unavailable:
            _log.warning("the end of job %s is not told yet: %s", work.record.id, unavailable)
            time.sleep(FINISH_PAUSE)
        else:
            return
