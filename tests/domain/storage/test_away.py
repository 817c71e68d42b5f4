"""An object store that is away or does not answer is told of in time, so that nobody waits for minutes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

from latentaug import datasets
from latentaug.errors import Away, Conflict
from latentaug.storage.objects import ArtefactStore
from tests import object_stores


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> ArtefactStore:
    return ArtefactStore(object_stores.name(endpoint, monkeypatch))


def check(store: ArtefactStore, seconds: float, least: float = 0.0) -> None:
    started = time.monotonic()
    with pytest.raises(Away, match="try again in a few seconds") as caught:
        store.probe()
    assert caught.value.retry_after
    assert least <= time.monotonic() - started < seconds


def test_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    store = at("http://127.0.0.1:9", monkeypatch)
    check(store, 12)
    for ask in (lambda: store.get("a"), lambda: store.exists("a"), lambda: store.folders("a")):
        with pytest.raises(Away):
            ask()


@pytest.mark.slow
def test_one_that_does_not_answer(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(at(silent, monkeypatch), 25, least=5)


def test_variables_of_the_environment_still_count(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_READ_TIMEOUT", "1s")
    monkeypatch.setenv("AWS_TIMEOUT", "1s")
    check(at(silent, monkeypatch), 8, least=1)


class Losing(BaseHTTPRequestHandler):
    """Passes on what it is asked, and loses the answer to the first file that may not replace another."""

    server_url = ""
    lost = False

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name not in ("host", "content-length")}
        answer = httpx.request(self.command, self.server_url + self.path, content=body, headers=headers)
        if "if-none-match" in self.headers and not Losing.lost:
            Losing.lost = self.close_connection = True
            return
        self.send_response_only(answer.status_code)
        for name in ("etag", "last-modified", "content-type", "content-length"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_HEAD = do_PUT = do_DELETE = _pass_on  # noqa: N815 (the names that it calls)


@pytest.fixture
def losing() -> Iterator[str]:
    """A server that speaks S3, over a way on which one answer is lost."""
    pytest.importorskip("moto")
    with object_stores.s3() as s3, ThreadingHTTPServer(("127.0.0.1", 0), Losing) as way:
        Losing.server_url = s3.server.url
        thread = threading.Thread(target=way.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{way.server_port}"
        way.shutdown()
        thread.join()


@pytest.mark.slow
def test_what_was_written_although_its_answer_was_lost_is_not_taken_for_somebody_elses(
    losing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = at(losing, monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    made = datasets.create(store, "mine", images, None, 2**20)
    assert Losing.lost
    assert datasets.describe("mine", store) == made
    assert len(datasets.load("mine", store, ()).images) == 12
    with pytest.raises(Conflict):
        datasets.create(store, "mine", images, None, 2**20)
    with pytest.raises(Conflict):
        store.create("datasets/mine/dataset.json", b"another")
