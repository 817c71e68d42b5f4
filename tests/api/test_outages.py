"""What goes on working while a part is away, and what is said meanwhile."""

from __future__ import annotations

import signal
import socket
import threading
import time

import httpx

from latentaug.runtime.jobs import Attempts, connect
from tests.api import services
from tests.api.bodies import NPY, TINY, npy, pictures, post
from tests.api.services import Home

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
