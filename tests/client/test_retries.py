"""When the client tries again: against a small server that refuses, breaks off and then answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from latentaug_client import Busy, Client, Problem, Unreachable
from latentaug_client.events import EventLines
from latentaug_client.retries import Retries

QUICK = Retries(attempts=3, pause=0.01, longest=0.5)
MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"models":[]}'
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
LATER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
BROKEN = b""


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


def test_lines_make_events() -> None:
    lines = [": ping", "", "id: 1-0", "event: progress", 'data: {"a":', "data: 1}", "", "data: {}", ""]
    taker = EventLines()
    events = [event for line in lines if (event := taker.take(line))]
    assert [(event.id, event.type, event.data) for event in events] == [
        ("1-0", "progress", {"a": 1}),
        ("", "message", {}),
    ]
