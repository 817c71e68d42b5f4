"""The service with a Valkey that it reaches over TLS, as the user of `deploy/valkey/users.acl`."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue

import httpx
import pytest

from latentaug.runtime.jobs import connect
from latentaug.runtime.settings import Settings
from tests.api import services
from tests.api.services import Home
from tests.certificates import LOOPBACK, Certified, certified
from tests.runtime.test_acl import Guarded, guarded_valkey
from tests.waiting import within
from tests.worker.conftest import ENDLESS, WorkerProcess

pytestmark = pytest.mark.slow


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@contextmanager
def tls(socket: Path, files: Certified) -> Iterator[int]:
    """A port that speaks TLS and passes all on to a Unix socket, as the Valkey of the tests speaks no TLS itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    started: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Queue()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async def serve() -> None:
        stop = asyncio.Event()
        async with await asyncio.start_server(join, "127.0.0.1", 0, ssl=context) as server:
            started.put((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, stop, port = started.get()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_valkey(tmp_path_factory.mktemp("guarded")) as running:
        yield running


@pytest.fixture(scope="module")
def own(valkey: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    files = certified(folder / "tls", LOOPBACK)
    with tls(valkey.socket, files) as port:
        password = valkey.passwords["latentaug"]
        yield Home(folder, f"rediss://latentaug:{password}@127.0.0.1:{port}/0?ssl_ca_certs={files.certificate}")


def test_a_job_goes_from_its_request_to_its_result(own: Home, valkey: Guarded) -> None:
    with services.model_server(own), services.api(own, rate_limit="1000/minute") as client:
        services.wait_until(lambda: client.get("/readyz").status_code == 200)
        worker = WorkerProcess(own.settings)
        try:
            asked = {"dataset": "digits", "name": "mine", "latent_dim": 2, "epochs": 1}
            job = client.post("/v1/jobs/train", json=asked).json()["id"]
            assert within(90, lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "succeeded")
            assert client.get("/v1/models/mine").status_code == 200
            assert 'workers{kind="train"} 1.0' in client.get("/metrics").text
        finally:
            worker.stop()
    with valkey.connect("operator") as operator:
        assert operator.acl_log() == []


def test_no_process_shows_the_password_in_its_command_line(own: Home, valkey: Guarded) -> None:
    with services.model_server(own), services.api(own) as client:
        worker = WorkerProcess(own.settings)
        try:
            job = client.post("/v1/jobs/train", json=ENDLESS).json()["id"]
            assert within(90, lambda: bool(worker.job_pids))
            shown = command_lines()
        finally:
            client.delete(f"/v1/jobs/{job}")
            worker.stop()
    for module in (b"service.api", b"service.model_server", b"--queue", b"worker.fork_server"):
        assert any(module in line for line in shown)
    assert not [line for line in shown if valkey.passwords["latentaug"].encode() in line]


def command_lines() -> list[bytes]:
    """Those of all processes of this machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append((process / "cmdline").read_bytes())
    return found


def test_a_server_with_another_certificate_is_not_spoken_to(own: Home, tmp_path: Path) -> None:
    other = certified(tmp_path / "other", LOOPBACK).certificate
    url = own.redis_url.partition("?")[0] + f"?ssl_ca_certs={other}"
    with pytest.raises(Exception, match="Redis does not answer"):
        connect(Settings(home=tmp_path, redis_url=url))


def test_without_tls_nothing_is_said(own: Home, tmp_path: Path) -> None:
    url = own.redis_url.partition("?")[0].replace("rediss://", "redis://")
    with services.api(Home(tmp_path, url)) as client:
        answer: httpx.Response = client.get("/v1/jobs")
        assert answer.status_code == 503
