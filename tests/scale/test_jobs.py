"""Jobs are the same at every API, and a host that vanishes costs the sub-jobs that it had in hand and nothing else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from bench.fleet import Fleet
from latentaug.runtime.jobs import Attempts, connect
from latentaug.runtime.settings import Settings
from tests.api.bodies import events
from tests.scale.conftest import WORKERS, Shared
from tests.system.composition import ended

SOON = 400.0
TRAIN = {"dataset": "digits", "name": "told", "epochs": 6, "patience": 6, "latent_dim": 4, "seed": 3}
GRID = {
    "dataset": "digits",
    "latent_dims": [4],
    "epochs": 1,
    "labelled": 500,
    "draws": 8,
    "methods": ["interpolation"],
    "classifiers": ["svm"],
    "comparators": ["duplication"],
    "combine": False,
    "seed": 5,
}
"""Sixteen units, each of a second or so, most of which is its tuning."""


def submit(api: httpx.Client, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(f"/v1/jobs/{kind}", json=params)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def result(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/v1/jobs/{job['id']}/result", headers={"Accept": "application/json"}).json())


def test_a_jobs_events_and_result_come_from_any_api(apis: list[httpx.Client]) -> None:
    job = submit(apis[0], "train", TRAIN)
    with ThreadPoolExecutor(len(apis)) as pool:
        told = list(pool.map(lambda api: events(api, job["id"]), apis))

    assert told[0][-1]["event"] == "end"
    assert len(told[0]) > TRAIN["epochs"]  # type: ignore[operator]
    assert told[1:] == told[:1] * (len(apis) - 1)
    middle = len(told[0]) // 2
    assert events(apis[2], job["id"], after=told[0][middle]["id"]) == told[0][middle + 1 :]
    results = [api.get(f"/v1/jobs/{job['id']}/result").content for api in apis]
    assert len(set(results)) == 1
    assert all(api.get("/v1/models/told").status_code == 200 for api in apis)


def attempts(jobs: Attempts, job: dict[str, Any], known: dict[str, int]) -> dict[str, int]:
    """How often each sub-job has been started, as far as it was seen before or is now."""
    living = jobs.sub_jobs(job["id"], "queued", "running", "succeeded", "failed")
    return known | {sub_job.id: sub_job.attempt for sub_job in living}


def test_a_host_that_vanishes_costs_the_sub_jobs_that_it_had_in_hand_and_nothing_else(
    fleet: Fleet, apis: list[httpx.Client], shared: Shared, jobs_settings: Settings
) -> None:
    quiet = submit(apis[0], "evaluate", GRID)
    assert ended(apis[0], quiet, SOON)["status"] == "succeeded"
    right = result(apis[0], quiet)
    broken, lost = submit(apis[1], "evaluate", GRID), fleet.workers[WORKERS:]
    with connect(jobs_settings) as redis:
        jobs, started, deadline = (
            Attempts(redis, shared.store, jobs_settings),
            dict[str, int](),
            time.monotonic() + SOON,
        )

        def measured() -> int:
            return len(jobs.sub_jobs(broken["id"], "succeeded"))

        while measured() < 4 or len(jobs.sub_jobs(broken["id"], "running")) < 2 * WORKERS:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for worker in lost:
            assert len(worker.pids()) > 3
            worker.kill()
            assert not worker.pids()
        while not jobs.get(broken["id"]).ended:
            assert time.monotonic() < deadline
            started = attempts(jobs, broken, started)
            time.sleep(0.1)
        done = jobs.get(broken["id"])
    for worker in lost:
        worker.start()

    assert (done.status, done.error) == ("succeeded", None)
    assert done.sub_jobs is not None
    assert done.sub_jobs.failed == 0
    again = [sub_job for sub_job, times in started.items() if times > 1]
    assert 1 <= len(again) <= WORKERS, "each process of the host had one in hand at most"
    assert max(started.values()) == 2
    found = result(apis[2], broken)
    for part in ("rows", "verdicts", "warnings"):
        assert found[part] == right[part]
