"""What goes on working while a part is away, and what is said meanwhile."""

from __future__ import annotations

import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench.chaos import disks
from latentaug import datasets
from latentaug.errors import Conflict, NotFound
from latentaug.options import TrainParams
from latentaug.runtime.jobs import Attempts, connect
from service.api.jobs.submissions import Jobs
from tests import object_stores
from tests.api import services
from tests.api.bodies import NPY, NPZ, TINY, npy, npz, pictures, post
from tests.api.services import Home
from tests.disks import small_disk

JOBS = "/v1/jobs"


def check_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) >= 1


def test_without_redis_inference_goes_on_and_jobs_say_so(api: httpx.Client, home: Home) -> None:
    nowhere = f"unix://{home.folder / 'nothing.sock'}"
    with services.api(home, redis_url=nowhere) as client:
        encoded = post(client, f"{TINY}/encode", npy(pictures(1)), NPY)
        jobs = [
            client.post(f"{JOBS}/train", json={"dataset": "digits"}),
            client.get(JOBS),
            client.get(f"{JOBS}/{'0' * 32}"),
        ]
        ready = client.get("/readyz")

        assert encoded.status_code == 200
        for answer in [*jobs, ready]:
            check_unavailable(answer)
        assert "redis" in ready.json()["detail"]
        assert "model server" not in ready.json()["detail"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/models").status_code == 200


def test_without_a_redis_url_jobs_say_how_to_get_one(home: Home) -> None:
    with services.api(home, redis_url=None) as client:
        answer = client.get(JOBS)

    check_unavailable(answer)
    assert "LATENTAUG_REDIS_URL" in answer.json()["detail"]


def test_without_a_model_server_jobs_go_on_and_inference_says_so(home: Home) -> None:
    with services.api(home, model_server_url=f"unix://{home.folder / 'nothing.sock'}") as client:
        job = client.post(f"{JOBS}/train", json={"dataset": "digits"})
        encoded = post(client, f"{TINY}/encode", npy(pictures(1)), NPY)
        ready = client.get("/readyz")

        assert job.status_code == 202
        check_unavailable(encoded)
        check_unavailable(ready)
        assert ready.json()["detail"].count("model server") == 1
        assert "redis" not in ready.json()["detail"]


def test_when_redis_goes_away_what_has_ended_is_still_told() -> None:
    with services.home() as home, services.api(home) as client:
        job = client.post(f"{JOBS}/train", json={"dataset": "digits"}).json()["id"]
        with connect(home.settings) as redis:
            worker = Attempts(redis, home.store, home.settings)
            worker.claim(job, 1)
            home.store.put(f"jobs/{job}/result.json", b"{}")
            worker.finish(job, 1, "succeeded", {})
            redis.shutdown(nosave=True)

        assert client.get(f"{JOBS}/{job}").json()["status"] == "succeeded"
        assert client.get(f"{JOBS}/{job}/result").status_code == 200
        check_unavailable(client.post(f"{JOBS}/train", json={"dataset": "digits"}))


def test_a_stopping_api_finishes_what_it_has_begun(api: httpx.Client, home: Home) -> None:
    port = services.free_port()
    with services.process("service.api", home.environment(port=port, log_level="warning")) as running:
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base) as client:
            services.wait_until(lambda: services.answers(client))
        answers: list[httpx.Response] = []

        def ask() -> None:
            with httpx.Client(base_url=base, timeout=30) as client:
                answers.append(post(client, f"{TINY}/augment", npy(pictures(200)), NPY, k=50, decode="warp"))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        assert asking.is_alive(), answers[0].text
        running.send_signal(signal.SIGTERM)
        asking.join()

        assert running.wait(20) in (0, -signal.SIGTERM)
        assert answers[0].status_code == 200


def test_a_stopping_api_does_not_wait_for_streams_of_events(home: Home) -> None:
    port = services.free_port()
    with (
        services.process("service.api", home.environment(port=port, log_level="warning")) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        services.wait_until(lambda: services.answers(client))
        job = client.post(f"{JOBS}/train", json={"dataset": "digits"}).json()["id"]
        with client.stream("GET", f"{JOBS}/{job}/events") as events:
            assert events.status_code == 200
            stopped = time.monotonic()
            running.send_signal(signal.SIGTERM)
            running.wait(20)

        assert time.monotonic() - stopped < 5


def test_a_caller_that_leaves_costs_nothing_more(home: Home) -> None:
    path = home.folder / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        deaf.settimeout(20)
        with services.api(home, model_server_url=f"unix://{path}") as client:
            host, port = client.base_url.host, client.base_url.port
            body = npy(pictures(1))
            lines = [f"POST {TINY}/encode HTTP/1.1", "Host: localhost", f"Content-Type: {NPY}"]
            head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
            with socket.create_connection((host, port)) as caller:
                caller.sendall(head.encode() + body)
                upstream, _ = deaf.accept()
            with upstream:
                upstream.settimeout(10)
                while upstream.recv(2**16):  # all of the request, then the end: the call was given up
                    pass
            services.wait_until(lambda: 'status="499"' in client.get("/metrics").text, 10)


@pytest.mark.slow
def test_a_store_that_cannot_be_written_to_is_not_ready_until_it_can(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "store", megabytes=4) as disk,
        services.home() as home,
        services.model_server(home),
        services.api(home, store_url=disk.as_uri()) as client,
    ):

        def detail() -> str:
            answer = client.get("/readyz")
            if answer.status_code == 200:
                return ""
            check_unavailable(answer)
            return str(answer.json()["detail"])

        services.wait_until(lambda: detail() == "")
        with disks.full(disk):
            services.wait_until(lambda: "store: no room is left" in detail(), 10)
            assert "redis" not in detail()
            full = client.post("/v1/datasets?name=x", content=npz(images=pictures(8)), headers={"Content-Type": NPZ})
            assert (full.status_code, full.json()["code"]) == (507, "not_stored")
        services.wait_until(lambda: detail() == "", 10)
        with disks.read_only(disk):
            services.wait_until(lambda: "store: the service may not" in detail(), 10)
        services.wait_until(lambda: detail() == "", 10)


def test_asking_whether_it_is_ready_costs_the_store_one_write_every_few_seconds(tmp_path: Path) -> None:
    with services.home() as home, services.api(home, store_url=tmp_path.as_uri()) as client:
        written = set()
        for _ in range(50):
            client.get("/readyz")
            written.add((tmp_path / "probe" / "bytes").stat().st_mtime_ns)
        assert len(written) <= 2


def test_a_job_on_what_is_being_deleted_is_refused_and_one_on_what_was_deleted_is_cancelled(home: Home) -> None:
    jobs = Jobs(home.settings, home.store)
    created = datasets.create(home.store, "fleeting", np.zeros((8, 8, 8, 1), np.uint8), None, 2**20)
    params = TrainParams(dataset=created.name)
    try:
        with jobs.store.deleting("datasets/fleeting") as users:
            assert users == []
            with pytest.raises(Conflict, match="the data set 'fleeting' is being deleted"):
                jobs.submit("train", params, owner="", tenant=None, idempotency_key=None, reserve=None)
            with pytest.raises(Conflict, match="already"), jobs.store.deleting("datasets/fleeting"):
                pass
        record, _ = jobs.submit("train", params, owner="", tenant=None, idempotency_key=None, reserve=None)
        with pytest.raises(Conflict, match=f"job {record.id} uses the data set 'fleeting'"):
            jobs.delete_unused("datasets/fleeting", lambda: datasets.delete(home.store, "fleeting"))
        jobs.cancel(record.id)
        jobs.delete_unused("datasets/fleeting", lambda: datasets.delete(home.store, "fleeting"))
        with pytest.raises(NotFound, match="fleeting"):
            jobs.submit("train", params, owner="", tenant=None, idempotency_key=None, reserve=None)
        assert jobs.store.list(limit=1)[0][0].status == "cancelled"
    finally:
        jobs.close()


def test_however_deletions_and_jobs_meet_no_job_is_left_without_its_data_set(home: Home) -> None:
    jobs = Jobs(home.settings, home.store)
    images = np.zeros((8, 8, 8, 1), np.uint8)

    def submit(number: int) -> str | None:
        try:
            params = TrainParams(dataset=f"raced-{number}")
            return jobs.submit("train", params, owner="", tenant=None, idempotency_key=None, reserve=None)[0].id
        except (Conflict, NotFound):
            return None

    def delete(number: int) -> None:
        name = f"raced-{number}"
        with suppress(Conflict, NotFound):
            jobs.delete_unused(f"datasets/{name}", lambda: datasets.delete(home.store, name))

    try:
        with ThreadPoolExecutor(4) as pool:
            for number in range(20):
                datasets.create(home.store, f"raced-{number}", images, None, 2**20)
                tasks = [pool.submit(task, number) for task in (submit, delete)]
                job, _ = (task.result() for task in tasks)
                assert (job is None) == (f"raced-{number}" not in datasets.names(home.store))
                if job is not None:
                    jobs.cancel(job)
                    delete(number)
    finally:
        jobs.close()


def test_an_object_store_that_is_away_is_told_of_with_a_time_to_come_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.api(home, store_url=object_stores.name("http://127.0.0.1:9", monkeypatch)) as client:
        for answer in (
            client.get("/v1/datasets/mine"),
            client.get("/v1/models"),
            client.post("/v1/datasets?name=x", content=npz(images=pictures(8)), headers={"Content-Type": NPZ}),
            client.post(f"{JOBS}/train", json={"dataset": "mine"}),
            client.get("/readyz"),
        ):
            check_unavailable(answer)
        assert "store" in client.get("/readyz").json()["detail"]
        assert client.get("/healthz").status_code == 200
