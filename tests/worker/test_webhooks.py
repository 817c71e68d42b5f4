"""Webhooks: each ended job's record reaches its receiver, signed, and nothing else is reached. Real HTTP."""

from __future__ import annotations

import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pydantic import SecretStr
from redis import Redis
from standardwebhooks import Webhook

from latentaug.runtime.jobs import Attempts, JobRecord
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.outbox import Outbox
from latentaug.runtime.settings import Settings
from tests.certificates import certified
from tests.waiting import within
from tests.worker.conftest import WorkerProcess
from worker import posting, webhooks
from worker.webhooks import send_due

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HIDDEN = "token-of-the-receiver"


class Receiver:
    """An HTTP server that keeps what it gets, and answers as told; with a certificate, an HTTPS server.

    Attributes:
        got: headers and body of each request.
        statuses: what to answer, in order; 204 after the last.
        seconds: how long to wait before each answer.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.seconds = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(receiver.seconds)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Location", f"{receiver.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_secret": SecretStr(SECRET), "webhook_networks": "127.0.0.0/8"})


@pytest.fixture
def outbox(redis: Redis) -> Outbox:
    return Outbox(redis)


@pytest.fixture
def send(outbox: Outbox, jobs: Attempts, settings: Settings) -> Callable[[], None]:
    return lambda: send_due(outbox, jobs, settings)


@pytest.fixture
def ended(jobs: Attempts) -> Callable[[str], JobRecord]:
    """Make a job with this webhook, and end it."""

    def end(url: str) -> JobRecord:
        return jobs.cancel(jobs.create("train", {"dataset": "digits", "webhook": url})[0].id)

    return end


def test_the_record_is_sent_signed_by_the_standard_webhooks_scheme(
    jobs: Attempts, receiver: Receiver, send: Callable[[], None], redis: Redis
) -> None:
    record, _ = jobs.create("train", {"dataset": "digits", "webhook": f"{receiver.url}/ended?{HIDDEN}"})
    jobs.claim(record.id, 1)
    send()
    assert receiver.got == [], "it has not ended"
    jobs.finish(record.id, 1, "succeeded", {"model": "mine"})

    send()
    send()

    ((headers, body),) = receiver.got
    assert json.loads(body) == json.loads(jobs.get(record.id).model_dump_json())
    assert (json.loads(body)["status"], json.loads(body)["result"]) == ("succeeded", {"model": "mine"})
    assert Webhook(SECRET).verify(body, headers) == json.loads(body)
    assert headers["webhook-id"] == record.id
    assert headers["content-type"] == "application/json"
    assert redis.zcard(key("webhooks")) == redis.hlen(key("webhook-tries")) == 0
    assert jobs.counted()["webhooks_sent"] == {("train",): 1}


def test_however_a_job_ends_its_receiver_is_told(
    jobs: Attempts, receiver: Receiver, ended: Callable[[str], JobRecord], send: Callable[[], None]
) -> None:
    ended(receiver.url)
    dead, _ = jobs.create("train", {"dataset": "digits", "webhook": receiver.url})
    for attempt in (1, 2):  # as often as the settings allow
        jobs.claim(dead.id, attempt)
        jobs.requeue(dead.id, attempt)
    jobs.cancel(jobs.create("train", {"dataset": "digits"})[0].id)

    send()

    told = [json.loads(body) for _, body in receiver.got]
    assert [(record["status"], (record["error"] or {}).get("code")) for record in told] == [
        ("cancelled", None),
        ("failed", "worker_died"),
    ]


def test_a_receiver_that_does_not_accept_is_asked_again_with_growing_pauses_and_not_for_ever(
    receiver: Receiver, ended: Callable[[str], JobRecord], send: Callable[[], None], redis: Redis,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    receiver.statuses = [500, 404, 302]
    record = ended(f"{receiver.url}/ended?{HIDDEN}")
    before = time.time()

    with caplog.at_level(logging.DEBUG):
        send()
        due = redis.zscore(key("webhooks"), record.id)
        send()

        assert due is not None
        assert webhooks.PAUSES[0] <= due - before < webhooks.PAUSES[0] + 5
        assert list(webhooks.PAUSES) == sorted(webhooks.PAUSES)
        assert len(receiver.got) == 1, "the pause has not passed"

        monkeypatch.setattr(webhooks, "PAUSES", (0.0, 0.0))
        redis.zadd(key("webhooks"), {record.id: time.time()})
        send()

    assert len(receiver.got) == 3, "the redirection was not followed, and then it was given up"
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {record.id}
    assert redis.zcard(key("webhooks")) == redis.hlen(key("webhook-tries")) == 0
    assert "giving up" in caplog.text
    assert receiver.url in caplog.text
    assert HIDDEN not in caplog.text


def test_a_receiver_that_is_gone_is_not_asked_again(
    receiver: Receiver, ended: Callable[[str], JobRecord], send: Callable[[], None], redis: Redis, jobs: Attempts
) -> None:
    receiver.statuses = [410]
    ended(receiver.url)

    send()

    assert redis.zcard(key("webhooks")) == 0
    assert jobs.counted()["webhooks_lost"] == {("train",): 1}


def test_a_receiver_that_does_not_answer_holds_up_nobody_for_long(
    receiver: Receiver, ended: Callable[[str], JobRecord], send: Callable[[], None], redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(posting, "SECONDS", 0.3)
    receiver.seconds = 5
    record = ended(receiver.url)
    began = time.monotonic()

    send()

    assert time.monotonic() - began < 3
    assert redis.zscore(key("webhooks"), record.id) is not None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://localhost:{port}", "https://localhost:{port}", "https://127.1:{port}",
            "https://[::ffff:127.0.0.1]:{port}", "https://2130706433:{port}", "https://0.0.0.0:{port}"],
)  # fmt: skip
def test_what_is_not_public_is_not_reached_unless_allowed(
    receiver: Receiver, outbox: Outbox, jobs: Attempts, settings: Settings, ended: Callable[[str], JobRecord],
    redis: Redis, caplog: pytest.LogCaptureFixture, url: str,
) -> None:  # fmt: skip
    ended(url.format(port=receiver.url.rsplit(":", 1)[1]))

    send_due(outbox, jobs, settings.model_copy(update={"webhook_networks": "10.0.0.0/8"}))

    assert receiver.got == []
    assert redis.zcard(key("webhooks")) == 0, "it will be no more public later"
    assert "its address is not public" in caplog.text


POST = """
import sys
from latentaug.addresses import networks
from worker.posting import Undelivered, post
try:
    post(sys.argv[1], {}, b"{}", networks("127.0.0.0/8, ::1"))
except Undelivered as error:
    sys.exit(str(error))
"""


def test_by_https_only_the_host_that_the_certificate_is_for_gets_anything(tmp_path: Path) -> None:
    def said(receiver: Receiver, trusted: Path | None) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT")}
        environment |= {} if trusted is None else {"SSL_CERT_FILE": str(trusted)}
        command = [sys.executable, "-c", POST, f"{receiver.url}/ended"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr.strip()

    own, other = (certified(tmp_path / name, x509.DNSName(name)).both for name in ("localhost", "elsewhere.example"))
    ours, theirs = Receiver(own), Receiver(other)
    try:
        assert said(ours, own) == ""
        assert [body for _, body in ours.got] == [b"{}"]
        assert "Certificate" in said(ours, None)
        assert "Certificate" in said(theirs, other)
        assert (len(ours.got), theirs.got) == (1, [])
    finally:
        ours.close()
        theirs.close()


def test_a_job_that_was_deleted_has_nothing_to_tell(
    jobs: Attempts, receiver: Receiver, ended: Callable[[str], JobRecord], send: Callable[[], None], redis: Redis
) -> None:
    record = ended(receiver.url)
    redis.delete(key("job", record.id))
    jobs._artefacts.delete(f"jobs/{record.id}/record.json")

    send()

    assert receiver.got == []
    assert redis.zcard(key("webhooks")) == 0


@pytest.mark.slow
def test_a_webhook_outlives_the_worker_that_was_sending_it(
    receiver: Receiver, ended: Callable[[str], JobRecord], start_worker: Callable[..., WorkerProcess]
) -> None:
    variables = {"LATENTAUG_WEBHOOK_SECRET": SECRET, "LATENTAUG_WEBHOOK_NETWORKS": "127.0.0.1"}
    first = start_worker(**variables)
    receiver.seconds = 60
    record = ended(receiver.url)
    assert within(30, lambda: len(receiver.got) == 1)
    os.kill(first.pid, signal.SIGKILL)
    receiver.seconds = 0

    start_worker(**variables)

    assert within(webhooks.LEASE + 30, lambda: len(receiver.got) == 2)
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [record.id] * 2
