"""Logs: JSON lines with the request's id; a fault of ours is told to the log alone."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from latentaug.runtime.logs import JsonLines
from latentaug.runtime.settings import Settings
from service.api.app import create_app
from service.api.http.request_log import RequestLog


async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the password is 1234")


def test_a_fault_is_answered_without_its_message_and_logged_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(RequestLog(faulty))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/path", headers={"X-Request-ID": "abc"})

    answer = asyncio.run(ask())

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "1234" not in answer.text
    assert answer.headers["x-request-id"] == "abc"
    assert "the password is 1234" in caplog.text


def test_a_fault_in_an_endpoint_is_a_problem_too(tmp_path: Path) -> None:
    """Whether FastAPI serves it or a plain route does."""
    app = create_app(Settings(home=tmp_path))

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # no lifespan, so no context to work with
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path)

    for path in ("/v1/models/tiny/encode", "/v1/datasets"):
        answer = asyncio.run(ask(path))
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_line_is_json_with_its_fields_and_the_fault() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, 'a "%s"', ("b",), (ValueError, error, None))
    record.fields = {"status": 200}

    line = json.loads(JsonLines().format(record))

    assert (line["level"], line["message"], line["status"]) == ("error", 'a "b"', 200)
    assert "ValueError: bad" in line["exception"]
