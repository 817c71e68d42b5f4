"""Bounds on what a caller may take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from latentaug.errors import DeadlineExceeded, InvalidInput, Stalled, TooLarge
from latentaug.runtime.settings import Settings
from service.api.http import limits
from service.api.http.limits import bound_json, in_time, read_body


class Client:
    """A caller that sends a body in chunks, and counts those that were taken."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks)
        self.taken = 0

    async def receive(self) -> Message:
        chunk = self._chunks[self.taken]
        self.taken += 1
        return {"type": "http.request", "body": chunk, "more_body": self.taken < len(self._chunks)}


def request(client: Client, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, client.receive)


def test_a_body_within_the_bound_is_read_whole() -> None:
    assert asyncio.run(read_body(request(Client([b"ab", b"", b"cd"])), 4, 0)) == b"abcd"


def test_a_body_that_claims_too_much_is_refused_unread() -> None:
    client = Client([b"abcdef"])

    with pytest.raises(TooLarge):
        asyncio.run(read_body(request(client, content_length="6"), 5, 0))

    assert client.taken == 0


def test_a_body_that_grows_too_large_is_refused_at_once() -> None:
    client = Client([b"abc"] * 1000)

    with pytest.raises(TooLarge):
        asyncio.run(read_body(request(client), 7, 0))

    assert client.taken == 3


class SlowClient(Client):
    """A caller that waits before each chunk, and for ever after the last."""

    def __init__(self, chunks: Sequence[bytes], pause: float) -> None:
        super().__init__(chunks)
        self._pause = pause

    async def receive(self) -> Message:
        await asyncio.sleep(self._pause if self.taken < len(self._chunks) else 60)
        return {**await super().receive(), "more_body": True}


@pytest.mark.parametrize("chunks", [[], [b"x" * 500], [b"x"] * 40])
def test_a_body_that_stops_or_comes_too_slowly_is_given_up(
    chunks: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRESS_SECONDS", 0.3)

    with pytest.raises(Stalled, match=r"fewer than 100 bytes a second"):
        asyncio.run(read_body(request(SlowClient(chunks, 0.02)), 10_000, 100))


def test_a_body_that_comes_slowly_but_fast_enough_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROGRESS_SECONDS", 0.3)

    class Enough(SlowClient):
        async def receive(self) -> Message:
            return {**await super().receive(), "more_body": self.taken < 20}

    assert len(asyncio.run(read_body(request(Enough([b"x" * 20] * 20, 0.04)), 10_000, 100))) == 400


def test_json_that_would_unfold_is_refused_before_it_is_parsed() -> None:
    bound_json(b"[[],[],[]]", 10)
    with pytest.raises(TooLarge):
        bound_json(b"[" + b"[]," * 1000 + b"[]]", 1000)


async def seconds_given(**headers: str) -> float:
    async with in_time(request(Client([]), **headers), Settings(request_timeout=20)) as seconds_left:
        return seconds_left()


@pytest.mark.parametrize(
    ("headers", "expected"), [({}, 20), ({"x_request_timeout": "5"}, 5), ({"x_request_timeout": "900"}, 20)]
)
def test_a_caller_may_ask_for_less_time_but_not_for_more(headers: dict[str, str], expected: float) -> None:
    assert asyncio.run(seconds_given(**headers)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("sent", ["0", "-1", "nan", "inf", "soon", "1e-9"])
def test_a_time_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="X-Request-Timeout"):
        asyncio.run(seconds_given(x_request_timeout=sent))


@pytest.mark.parametrize(
    ("job", "advice"),
    [
        ("label", r"fewer images, raise X-Request-Timeout .*, or upload them as a data set and label that by a job"),
        (None, r"fewer images, or raise X-Request-Timeout \(at most [0-9]+\)$"),
    ],
)
def test_work_past_the_deadline_is_given_up(job: str | None, advice: str) -> None:
    async def slow() -> None:
        async with in_time(request(Client([]), x_request_timeout="0.01"), Settings(), job):
            await asyncio.sleep(10)

    with pytest.raises(DeadlineExceeded, match=rf"0\.01 seconds; send {advice}"):
        asyncio.run(slow())
