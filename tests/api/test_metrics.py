"""`/metrics`: what workers do, counted in Redis; the model server's, handed on."""

from __future__ import annotations

import re
import socket

import httpx
import pytest

from latentaug.runtime.jobs import Attempts
from tests.api import services
from tests.api.services import Home

pytestmark = pytest.mark.usefixtures("empty_redis")


def value(client: httpx.Client, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, series
    return float(found[1])


def submit(api: httpx.Client) -> str:
    answer = api.post("/v1/jobs/train", json={"dataset": "digits", "epochs": 1})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_waiting_jobs_and_missing_workers_are_counted(api: httpx.Client) -> None:
    submit(api)

    assert value(api, 'job_queue_depth{kind="train"}') == 1
    assert value(api, 'jobs{kind="train",status="queued"}') == 1
    assert value(api, 'workers{kind="train"}') == 0


def test_inference_is_counted_by_its_route_however_it_is_answered(api: httpx.Client) -> None:
    route = "/v1/models/{model}/encode"

    encode = {method: api.request(method, "/v1/models/nobody/encode").status_code for method in ("POST", "GET")}

    assert encode == {"POST": 404, "GET": 405}
    for method, status in encode.items():
        assert value(api, f'http_requests_total{{method="{method}",route="{route}",status="{status}"}}') >= 1


def test_a_worker_that_serves_a_queue_is_counted(api: httpx.Client, home: Home) -> None:
    with services.process("worker", home.environment(queues='["augment"]')):
        services.wait_until(lambda: value(api, 'workers{kind="augment"}') == 1)

    assert value(api, 'workers{kind="train"}') == 0


def test_attempts_and_lost_processes_and_ends_are_counted(api: httpx.Client, worker: Attempts) -> None:
    job = submit(api)
    assert worker.claim(job, 1)
    assert worker.requeue(job, 1)
    assert worker.claim(job, 2)
    assert worker.finish(job, 2, "succeeded", {})

    assert value(api, 'job_attempts_total{kind="train"}') == 2
    assert value(api, 'job_lease_losses_total{kind="train"}') == 1
    assert value(api, 'jobs_ended_total{kind="train",status="succeeded"}') == 1
    assert value(api, 'job_seconds_total{kind="train",status="succeeded"}') > 0


def test_a_worker_told_to_stop_loses_nothing(api: httpx.Client, worker: Attempts) -> None:
    job = submit(api)
    assert worker.claim(job, 1)
    assert worker.requeue(job, 1, died=False)

    assert "job_lease_losses_total{" not in api.get("/metrics").text


def test_work_done_is_added_up_over_workers(api: httpx.Client, worker: Attempts) -> None:
    worker.count("train", epochs=1, images=100, training_seconds=0.5)
    worker.count("train", epochs=1, images=100, training_seconds=0.25)

    assert value(api, 'training_epochs_total{kind="train"}') == 2
    assert value(api, 'training_images_total{kind="train"}') == 200
    assert value(api, 'training_seconds_total{kind="train"}') == 0.75


def test_what_was_deleted_as_it_was_old_is_counted(api: httpx.Client, worker: Attempts) -> None:
    worker.count(None, jobs_deleted=1, swept_bytes=100)
    worker.count(None, job_files_deleted=2, uploads_deleted=3, swept_bytes=50)

    assert value(api, "jobs_deleted_total") == 1
    assert value(api, "job_files_deleted_total") == 2
    assert value(api, "uploads_deleted_total") == 3
    assert value(api, "swept_bytes_total") == 150


def test_the_model_servers_metrics_are_handed_on(api: httpx.Client) -> None:
    answer = api.get("/metrics/model-server")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "queue_samples 0.0" in answer.text


def test_without_a_model_server_its_metrics_are_unavailable() -> None:
    with services.home() as away, services.api(Home(away.folder, away.redis_url)) as client:
        assert client.get("/metrics/model-server").status_code == 503
        assert client.get("/metrics").status_code == 200


def test_a_caller_that_leaves_is_counted_as_gone(api: httpx.Client) -> None:
    series = 'http_requests_total{method="POST",route="/v1/models/{model}/encode",status="499"}'

    with socket.create_connection((api.base_url.host, api.base_url.port)) as caller:
        caller.sendall(
            b"POST /v1/models/tiny/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
            b"Content-Length: 1000\r\n\r\nonly the beginning"
        )

    services.wait_until(lambda: f"{series} 1.0" in api.get("/metrics").text, 10)
