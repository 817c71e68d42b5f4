"""One evaluate job among several processes: the same result, whoever is killed. Real processes, a real Valkey."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from latentaug.options import EvaluateParams
from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.storage.objects import ArtefactStore
from tests.waiting import within
from tests.worker.conftest import WorkerProcess, alive
from tests.worker.desk import Desk

pytestmark = pytest.mark.slow

Submit = Callable[..., JobRecord]
Start = Callable[..., WorkerProcess]
SOON = 300.0
GRID = EvaluateParams(
    dataset="digits",
    latent_dims=[4],
    labelled=500,
    draws=4,
    epochs=1,
    methods=["interpolation"],
    classifiers=["svm"],
    comparators=["duplication"],
    combine=False,
).model_dump(mode="json")
"""Eight units, each of a second or so, most of which is its tuning."""
SLOW = {**GRID, "labelled": 20, "k": 1, "classifiers": ["mlp"], "spaces": ["image"], "comparators": [], "tune": False}
"""Four units of two cells, each of some seconds."""
ENDLESS = {**SLOW, "draws": 100}


def two_processes(start_worker: Start, **variables: str) -> WorkerProcess:
    return start_worker(LATENTAUG_QUEUES='["evaluate"]', LATENTAUG_EVALUATE_PROCESSES="2", **variables)


def ended(jobs: Attempts, job_id: str) -> Callable[[], bool]:
    return lambda: jobs.get(job_id).ended


def cells_told(jobs: Attempts, job_id: str) -> list[tuple[Any, ...]]:
    told = [event.data for event in jobs.events(job_id) if "accuracy" in event.data]
    return [(*(cell[key] for key in ("draw", "space", "arm", "decode", "classifier")),) for cell in told]


def measures(jobs: Attempts, job_id: str, cells: int) -> Callable[[], bool]:
    return lambda: len(cells_told(jobs, job_id)) >= cells and len(jobs.sub_jobs(job_id, "running")) == 2


def test_two_processes_measure_what_one_does_and_the_result_outlives_redis(
    desk: Desk, jobs: Attempts, submit: Submit, start_worker: Start, artefacts: ArtefactStore, redis: Redis
) -> None:
    alone = desk.result(desk.evaluate(EvaluateParams.model_validate(GRID)))
    worker = two_processes(start_worker)
    assert within(10, lambda: len(worker.queue_pids) == 2)
    record = submit("evaluate", **GRID)
    assert within(SOON, lambda: len(worker.job_pids) == 2), "both have a part of it"
    assert within(SOON, ended(jobs, record.id))
    assert within(5, lambda: artefacts.exists(f"jobs/{record.id}/record.json"))
    redis.flushall()
    assert jobs.get(record.id).status == "succeeded"
    shared = json.loads(artefacts.get(f"jobs/{record.id}/result.json"))
    assert shared["rows"] == alone["rows"]
    assert shared["verdicts"] == alone["verdicts"]
    assert shared["warnings"] == alone["warnings"]


def test_a_killed_process_costs_only_its_cell(
    jobs: Attempts, submit: Submit, start_worker: Start, artefacts: ArtefactStore
) -> None:
    worker = two_processes(start_worker)
    record = submit("evaluate", **SLOW)
    assert within(SOON, measures(jobs, record.id, cells=2))
    os.kill(worker.job_pids[0], signal.SIGKILL)
    assert within(SOON, ended(jobs, record.id))
    done = jobs.get(record.id)
    assert (done.status, done.error) == ("succeeded", None)
    assert done.sub_jobs is not None
    assert done.sub_jobs.failed == 0
    result, told = json.loads(artefacts.get(f"jobs/{record.id}/result.json")), cells_told(jobs, record.id)
    assert len(told) == len(set(told)), "none was measured twice"
    assert len(result["cells"]) - len(told) in (0, 1), "the killed process may have kept one that it could not tell"
    assert not [warning for warning in result["warnings"] if "not measured" in warning]


def test_a_killed_queue_process_is_made_up_for(jobs: Attempts, submit: Submit, start_worker: Start) -> None:
    worker = two_processes(start_worker)
    record = submit("evaluate", **ENDLESS)
    assert within(SOON, measures(jobs, record.id, cells=2))
    queue_process = worker.queue_pid
    os.kill(queue_process, signal.SIGKILL)
    again = lambda: any(sub_job.attempt == 2 for sub_job in jobs.sub_jobs(record.id, "queued", "running", "succeeded"))  # noqa: E731
    assert within(3 + 9 + 30, again), "the lease has run out and the reconciler has seen it"
    jobs.cancel(record.id)


def test_cancelling_stops_every_process_within_seconds(
    jobs: Attempts, submit: Submit, start_worker: Start, redis: Redis, queue: JobQueue
) -> None:
    worker = two_processes(start_worker)
    record = submit("evaluate", **ENDLESS)
    assert within(SOON, measures(jobs, record.id, cells=2))
    pids = worker.job_pids
    assert len(pids) == 2
    jobs.cancel(record.id)
    assert within(3, lambda: not any(alive(pid) for pid in pids))
    assert within(10, lambda: not queue.depths()["evaluate"]), "those that waited were dropped"
    assert worker.job_pids == []
    assert not list(redis.scan_iter(f"latentaug:*{record.id}_*"))
    assert jobs.get(record.id).status == "cancelled"
