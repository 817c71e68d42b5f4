"""What comes before a body is bounded in bytes, in lines and in time, before a key is looked at."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from service.api.http import limits, wire
from tests.api import services

MEBIBYTE = 2**20
FEW = 5
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/jobs/train HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def serving(**settings: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An API, and its port."""
    port = services.free_port()
    with (
        services.home() as own,
        services.process("service.api", own.environment(port=port, log_level="error", **settings)) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        services.wait_until(lambda: services.answers(client))
        yield running, port


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def few() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One that answers few requests at a time, whatever their bodies take."""
    with serving(max_connections=FEW, min_upload_rate=0) as running:
        yield running


@pytest.fixture(scope="module")
def port(process: tuple[subprocess.Popen[bytes], int]) -> int:
    return process[1]


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=wire.SECONDS + 10) as connection:
        yield connection


def resident(process: subprocess.Popen[bytes]) -> int:
    """Bytes that a process holds in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


def descriptors(process: subprocess.Popen[bytes]) -> int:
    """How many files and connections a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def received(connection: socket.socket) -> bytes:
    """All until the service hangs up."""
    parts = []
    try:
        while part := connection.recv(2**16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def sent(connection: socket.socket, part: bytes, times: int) -> int:
    """Send a part so many times, or until the service hangs up; return how often."""
    for i in range(times):
        try:
            connection.sendall(part)
        except OSError:
            return i
    return times


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (ASK, b"X-More: " + b"a" * MEBIBYTE + b"\r\n"),
        (ASK + b"X-Long: ", b"a" * MEBIBYTE),
        (ASK, b"a:\r\n" * 2**18),
        (b"GET /", b"a" * MEBIBYTE),
        (ASK + b"a", b"a" * MEBIBYTE),
        (b"", b"\r\n" * 2**19),
        (POST + b"2\r\n{}\r\n0\r\n", b"X-Trailer: " + b"a" * MEBIBYTE + b"\r\n"),
        (POST + b"2;", b"a" * MEBIBYTE),
    ],
    ids=["lines", "one value", "short lines", "first line", "one name", "empty lines", "trailers", "chunk extension"],
)
def test_nothing_without_end_is_taken_in(
    process: tuple[subprocess.Popen[bytes], int], start: bytes, part: bytes
) -> None:
    running, port = process
    before = resident(running)

    with connected(port) as connection:
        connection.sendall(start)
        taken = sent(connection, part, 300)

    assert taken < 40, "the service went on taking it in"
    assert resident(running) - before < 16 * MEBIBYTE
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"a" * wire.MOST_BYTES + b"\r\n", b"a: b\r\n" * wire.MOST_HEADERS],
    ids=["bytes", "lines"],
)
def test_headers_over_the_bounds_are_told_what_to_do(port: int, headers: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(ASK + headers + b"\r\n")
        head, _, body = received(connection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json" in head.lower()
    assert b'"code": "head_too_large"' in body


def test_headers_within_the_bounds_are_taken(port: int) -> None:
    many = {f"X-{i}": "a" * 200 for i in range(wire.MOST_HEADERS - 10)}

    assert httpx.get(f"http://127.0.0.1:{port}/healthz", headers=many).status_code == 200


def test_what_is_no_http_gets_a_problem(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"EHLO example.org\r\n\r\n")
        head, _, body = received(connection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "malformed_input"' in body


def test_a_connection_is_kept_over_many_requests_with_pauses(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for pause in (0, 0.1, 1):
            time.sleep(pause)
            assert client.get("/healthz").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "drip"),
    [(b"", b""), (b"GET /", b"a"), (ASK, b"a"), (ASK + b"\r\n", b"\r\n")],
    ids=["nothing", "first line", "header", "after an answer"],
)
def test_a_head_that_drips_is_given_up(port: int, start: bytes, drip: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(start)
        began = time.monotonic()
        while sent(connection, drip, 1) and time.monotonic() < began + wire.SECONDS + 2:
            time.sleep(0.5)
        received(connection)

    assert time.monotonic() < began + wire.SECONDS + 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "ask",
    [
        b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["goes on", "ends late"],
)
def test_a_body_that_nobody_reads_does_not_hold_its_connection(port: int, ask: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(ask)
        began = time.monotonic()
        assert connection.recv(2**16).startswith(b"HTTP/1.1 404 ")
        while sent(connection, b"a", 1) and time.monotonic() < began + 2 * wire.SECONDS + 2:
            time.sleep(0.5)
        received(connection)

    assert time.monotonic() < began + 2 * wire.SECONDS + 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "form"),
    [
        (b"/v1/jobs/train", b"application/json"),
        (b"/v1/models/none/encode", b"multipart/form-data; boundary=b"),
        (b"/v1/models/none/augment", b"application/x-npy"),
        (b"/v1/datasets?name=slow", b"application/zip"),
    ],
)
def test_a_body_that_drips_is_given_up(port: int, path: bytes, form: bytes) -> None:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: localhost", b"Content-Type: " + form, b"Content-Length: 9999", b""]
    with connected(port) as connection:
        connection.sendall(b"\r\n".join([*lines, b""]))
        began = time.monotonic()
        while sent(connection, b" ", 1) and time.monotonic() < began + limits.PROGRESS_SECONDS + wire.SECONDS + 5:
            time.sleep(0.5)

    assert time.monotonic() < began + limits.PROGRESS_SECONDS + wire.SECONDS + 5


@pytest.mark.slow
def test_a_caller_that_does_not_take_its_answer_is_left(process: tuple[subprocess.Popen[bytes], int]) -> None:
    running, port = process
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    before = descriptors(running)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(asked[: 2**15])
        services.wait_until(lambda: descriptors(running) > before)
        services.wait_until(lambda: descriptors(running) <= before, 2 * wire.TAKING_SECONDS + 5)


def test_however_many_connections_come_there_is_room_for_health_and_work(
    few: tuple[subprocess.Popen[bytes], int],
) -> None:
    running, port = few
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connected(port))

        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/openapi.json").status_code == 200
        assert descriptors(running) < 200


def test_where_all_places_are_taken_health_is_answered_and_others_are_told(
    few: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = few
    with ExitStack() as stack:
        for _ in range(FEW):
            connection = stack.enter_context(connected(port))
            connection.sendall(POST.replace(b"Transfer", b"Content-Type: application/json\r\nTransfer"))
        url = f"http://127.0.0.1:{port}"
        services.wait_until(lambda: httpx.get(f"{url}/openapi.json").status_code == 503)
        told = httpx.get(f"{url}/openapi.json")
        health = httpx.get(f"{url}/healthz")

    assert told.headers["retry-after"] == "2"
    assert told.json()["code"] == "unavailable"
    assert health.status_code == 200
    services.wait_until(lambda: httpx.get(f"{url}/openapi.json").status_code == 200)


@pytest.mark.slow
def test_twenty_thousand_idle_connections_exhaust_nothing(few: tuple[subprocess.Popen[bytes], int]) -> None:
    running, port = few
    at_once = 400  # that this process may hold
    for _ in range(20_000 // at_once):
        with ExitStack() as stack:
            for _ in range(at_once):
                stack.enter_context(connected(port))
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200

    assert descriptors(running) < 200
