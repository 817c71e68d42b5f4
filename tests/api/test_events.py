"""Server-sent events of jobs over real HTTP; the tests themselves act as the worker."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from latentaug.runtime.jobs import Attempts
from tests.api.bodies import events, train

JOBS = "/v1/jobs"
pytestmark = pytest.mark.usefixtures("empty_redis")


def test_events_come_as_they_happen_and_end_with_the_end(api: httpx.Client, worker: Attempts) -> None:
    job = train(api).json()["id"]
    worker.claim(job, 1)
    worker.progress(job, 1, 0.25, "epoch 1", 3.0, {"epoch": 1, "train_loss": 1.5})

    def rest() -> None:
        worker.progress(job, 1, 0.5, "epoch 2")
        worker.finish(job, 1, "succeeded", {})

    later = threading.Timer(0.5, rest)
    later.start()
    seen = events(api, job)
    later.join()

    assert [event["event"] for event in seen] == ["progress", "progress", "metrics", "progress", "end"]
    assert json.loads(seen[1]["data"]) == {"fraction": 0.25, "stage": "epoch 1", "eta_seconds": 3.0}
    assert json.loads(seen[2]["data"]) == {"epoch": 1, "train_loss": 1.5}
    assert json.loads(seen[4]["data"])["status"] == "succeeded"


def test_events_resume_after_the_last_one_seen(api: httpx.Client, worker: Attempts) -> None:
    job = train(api).json()["id"]
    worker.claim(job, 1)
    worker.progress(job, 1, 0.5, "half")
    worker.finish(job, 1, "succeeded", {})
    seen = events(api, job)

    resumed = events(api, job, seen[0]["id"])
    again = api.get(f"{JOBS}/{job}/events", headers={"Last-Event-ID": seen[-1]["id"]})

    assert resumed == seen[1:]
    assert again.status_code == 204


@pytest.mark.parametrize("after", ["x", "1-", "9" * 30 + "-0"])
def test_an_event_id_that_is_none_is_refused(api: httpx.Client, after: str) -> None:
    job = train(api).json()["id"]

    assert api.get(f"{JOBS}/{job}/events", headers={"Last-Event-ID": after}).status_code == 422
