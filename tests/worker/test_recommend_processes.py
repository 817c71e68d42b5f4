"""A recommend job in real processes, killed and cancelled in the middle. A real Valkey."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from redis import Redis

from latentaug import datasets
from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.queue import FAILURE_SECONDS, JobQueue
from latentaug.storage.objects import ArtefactStore
from tests.waiting import within
from tests.worker.conftest import WorkerProcess, alive
from tests.worker.test_processes import SOON, Start, Submit, ended

pytestmark = pytest.mark.slow

SEARCHING, MEASURING = "trying training sets", "measuring on test images, draw 2"
LONG = 300.0
"""Seconds within which a job ends on a busy machine; its search has as many, so that time decides nothing."""


@pytest.fixture
def params(artefacts: ArtefactStore) -> dict[str, Any]:
    """A job of a few hundred digits, of which each draw knows the labels of 30.

    The SVM makes its measurement take seconds on a fast machine, too; a stage of less than one may never be told.
    """
    digits = datasets.load("digits", artefacts, ())
    names = [digits.classes[label] for label in np.asarray(digits.labels)[:500]]
    datasets.create(artefacts, "some", digits.images[:500], names, 10**9)
    return {"dataset": "some", "labelled": 30, "classifiers": ["svm", "knn"], "budget_seconds": 2 * LONG}


@pytest.fixture
def start(start_worker: Start) -> Start:
    return lambda: start_worker(LATENTAUG_QUEUES='["recommend"]', LATENTAUG_MAX_ATTEMPTS="3")


def at(jobs: Attempts, job: JobRecord, stage: str, attempt: int) -> Callable[[], bool]:
    """Whether an attempt at a job has come to a stage."""

    def reached() -> bool:
        record = jobs.get(job.id)
        return (record.status, record.attempt) == ("running", attempt) and record.progress.stage.startswith(stage)

    return reached


def metrics(jobs: Attempts, job: JobRecord) -> list[str]:
    """Each step that a job has told of, over all attempts."""
    return [json.dumps(event.data, sort_keys=True) for event in jobs.events(job.id) if event.type == "metrics"]


def found(artefacts: ArtefactStore, job: JobRecord) -> dict[str, Any]:
    """A job's result without how long anything took."""
    result: dict[str, Any] = json.loads(artefacts.get(f"jobs/{job.id}/result.json"))
    cells = [{name: value for name, value in cell.items() if name != "seconds"} for cell in result["cells"]]
    return {name: result[name] for name in ("recipe", "recipes", "verdicts", "tried", "spreads", "rows")} | {
        "cells": cells
    }


def test_killed_in_its_search_and_in_its_measurement_it_finds_what_it_would_have_found(
    jobs: Attempts, submit: Submit, start: Start, artefacts: ArtefactStore, params: dict[str, Any]
) -> None:
    worker = start()
    killed = submit("recommend", **params)
    assert within(SOON, at(jobs, killed, SEARCHING, attempt=1))
    os.kill(worker.job_pid, signal.SIGKILL)
    assert within(LONG, at(jobs, killed, MEASURING, attempt=2))
    pids = worker.pids()
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait()
    assert within(5, lambda: not any(alive(pid) for pid in pids))

    start()
    undisturbed = submit("recommend", **params)
    assert within(LONG, ended(jobs, killed.id))
    assert within(LONG, ended(jobs, undisturbed.id))

    assert [(jobs.get(job.id).status, jobs.get(job.id).attempt) for job in (killed, undisturbed)] == [
        ("succeeded", 3),
        ("succeeded", 1),
    ]
    assert found(artefacts, killed) == found(artefacts, undisturbed)
    told = metrics(jobs, killed)
    assert len(told) == len(set(told)), "nothing was tried or measured twice"
    assert set(told) <= set(metrics(jobs, undisturbed))


def forgotten(redis: Redis, job: JobRecord) -> Callable[[], bool]:
    """Whether RQ keeps nothing of this first attempt, or a stopped one's rest for a while at most.

    Both ends are right: a process that sees the cancellation before RQ stops it ends well, and leaves nothing.
    """
    key = f"rq:job:{job.id}-1"
    return lambda: not redis.exists(key) or 0 < redis.ttl(key) <= FAILURE_SECONDS


def test_cancelled_it_ends_within_seconds_and_leaves_nothing(
    jobs: Attempts,
    queue: JobQueue,
    submit: Submit,
    start: Start,
    artefacts: ArtefactStore,
    redis: Redis,
    params: dict[str, Any],
) -> None:
    worker: WorkerProcess = start()
    for stage in (SEARCHING, MEASURING):
        job = submit("recommend", **params)
        assert within(LONG, at(jobs, job, stage, attempt=1))
        process = worker.job_pid
        jobs.cancel(job.id)
        queue.stop(job)
        assert within(3, lambda process=process: not alive(process))
        assert within(5, forgotten(redis, job)), "RQ will forget it"
        assert jobs.get(job.id).status == "cancelled"
        assert within(5, lambda job=job: artefacts.files(f"jobs/{job.id}") == ["record.json"]), "nothing kept is left"
        assert not jobs.lease_alive(job.id)
    assert alive(worker.queue_pid), "the next job can begin"
