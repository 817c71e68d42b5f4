"""The one function that RQ calls, in a process of the job's own."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from rq.timeouts import JobTimeoutException

from latentaug import settings as configuration
from latentaug.artefacts import ArtefactStore
from latentaug.errors import Cancelled, LatentaugError, Unavailable
from latentaug.job_params import AugmentParams, EvaluateParams, TrainParams
from latentaug.jobs import Attempts, JobError, Kind, connect
from latentaug.lifeline import tie
from worker.augment import augment
from worker.evaluate import evaluate
from worker.queue_process import PARENT
from worker.train import train
from worker.work import Work

TASKS: dict[Kind, Callable[[Work], dict[str, Any]]] = {
    "train": lambda work: train(work, TrainParams.model_validate(work.record.params)),
    "evaluate": lambda work: evaluate(work, EvaluateParams.model_validate(work.record.params)),
    "augment": lambda work: augment(work, AugmentParams.model_validate(work.record.params)),
}
FINISH_PAUSE = 1.0

_log = logging.getLogger(__name__)


def run(job_id: str, attempt: int) -> None:
    """Do the claimed attempt at a job, and write down how it ended."""
    tie(int(os.environ.get(PARENT, os.getppid())), signal.SIGKILL)
    settings = configuration.load()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    artefacts = ArtefactStore(settings.resolved_store_url)
    attempts = Attempts(connect(settings), artefacts, settings)
    record = attempts.get(job_id)
    if (record.status, record.attempt) != ("running", attempt):
        _log.info("job %s is no longer this attempt's", job_id)
        return
    work = Work(record, attempts, artefacts, settings)
    try:
        result, error = _do(work)
    except Cancelled:
        _log.info("job %s was cancelled or taken over", job_id)
        return
    _finish(attempts, work, result, error)


def _do(work: Work) -> tuple[dict[str, Any] | None, JobError | None]:
    """Do the task; return its summary or what went wrong."""
    try:
        result = TASKS[work.record.kind](work)
        work.report(1.0, "done", 0.0, final=True)
    except LatentaugError as error:
        return None, JobError(code=error.code, detail=error.detail)
    except ValidationError as error:  # the API checks them; another writer may not have
        return None, JobError(code="invalid_input", detail=str(error))
    except JobTimeoutException:
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
