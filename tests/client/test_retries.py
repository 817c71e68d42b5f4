"""When the client tries again: against a small server that refuses, breaks off and then answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from latentaug_client import Busy, Client, Problem, Unreachable
from latentaug_client.retries import Retries

QUICK = Retries(attempts=3, pause=0.01, longest=0.5)
MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"models":[]}'
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
LATER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
BROKEN = b""
RECORD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n"
    b'{"id":"1","kind":"train","status":"queued"}'
)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n%s"
EVENTS = (
    'id: 1-0\nevent: progress\ndata: {"stage": "two\u2028lines\u0085"}\n\n'
    ": ping\r\n\r\n"
    'id: 1-1\nevent: metrics\ndata: {"loss":\ndata: 1}\n\n'
    "id: 1-2\nevent: end\ndata: {}\n\n"
)


@contextmanager
def answering(answers: Sequence[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers, one a connection, and keeps what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(2**16))
                    connection.sendall(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join(5)


def test_what_is_refused_for_the_moment_is_sent_again() -> None:
    with answering([BUSY, BUSY, MODELS]) as (url, asked), Client(url, retries=QUICK) as client:
        assert client.models() == []
    assert len(asked) == 3


def test_after_the_last_attempt_the_refusal_is_raised() -> None:
    with answering([BUSY] * 3) as (url, _), Client(url, retries=QUICK) as client, pytest.raises(Busy) as busy:
        client.models()
    assert (busy.value.status, busy.value.retry_after) == (429, 0)


def test_a_pause_longer_than_one_would_wait_is_not_waited_for() -> None:
    with answering([LATER]) as (url, asked), Client(url, retries=QUICK) as client, pytest.raises(Busy) as busy:
        client.models()
    assert busy.value.retry_after == 30
    assert len(asked) == 1


def test_a_broken_connection_is_tried_again_where_twice_does_no_harm() -> None:
    with answering([BROKEN, MODELS]) as (url, asked), Client(url, retries=QUICK) as client:
        assert client.models() == []
    assert len(asked) == 2


def test_a_job_is_sent_again_with_the_same_key() -> None:
    record = b'{"id":"1","kind":"train","status":"queued"}'
    accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(record), record)
    with answering([BROKEN, accepted]) as (url, asked), Client(url, retries=QUICK) as client:
        assert client.train("digits").id == "1"
    keys = {line for request in asked for line in request.split(b"\r\n") if line.lower().startswith(b"idempotency-key")}
    assert len(asked) == 2
    assert len(keys) == 1


def test_an_upload_is_not_sent_twice_when_it_may_have_arrived() -> None:
    with answering([BROKEN]) as (url, _), Client(url, retries=QUICK) as client, pytest.raises(Unreachable):
        client.delete_dataset("mine")


def test_a_proxys_words_are_no_reason_to_break() -> None:
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"
    with answering([page]) as (url, _), Client(url, retries=QUICK) as client, pytest.raises(Problem, match="<html>"):
        client.models()


def test_a_stream_is_read_as_events() -> None:
    """Pings are left out, data may take several lines, and only line ends end a line: not U+2028 or U+0085."""
    with answering([RECORD, STREAM % EVENTS.encode()]) as (url, asked), Client(url, retries=QUICK) as client:
        events = [(event.id, event.type, event.data) for event in client.job("1").events()]
    assert events == [
        ("1-0", "progress", {"stage": "two\u2028lines\u0085"}),
        ("1-1", "metrics", {"loss": 1}),
        ("1-2", "end", {}),
    ]
    assert b"text/event-stream" in asked[1]


def test_a_stream_that_breaks_is_resumed_where_it_broke() -> None:
    whole = STREAM % EVENTS.encode()
    broken, rest = whole[: whole.index(b"id: 1-2")], STREAM % EVENTS[EVENTS.index("id: 1-2") :].encode()
    with answering([RECORD, broken, rest]) as (url, asked), Client(url, retries=QUICK) as client:
        assert [event.id for event in client.job("1").events()] == ["1-0", "1-1", "1-2"]
    assert b"last-event-id: 1-1" in asked[2].lower()


def test_a_page_of_something_else_is_no_stream() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    with (
        answering([RECORD, page, page, page]) as (url, asked),
        Client(url, retries=QUICK) as client,
        pytest.raises(Unreachable, match="text/html"),
    ):
        list(client.job("1").events())
    assert len(asked) == 4
