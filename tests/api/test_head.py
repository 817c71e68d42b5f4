"""HEAD wherever there is GET: the same status and headers, and no content."""

from __future__ import annotations

import httpx
import pytest

from tests.api.bodies import train

PATHS = ["/healthz", "/readyz", "/v1/models", "/v1/models/tiny", "/v1/datasets", "/v1/datasets/digits", "/v1/jobs"]


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json", "/v1/models/nobody"])
def test_a_head_is_its_get_without_the_content(api: httpx.Client, path: str) -> None:
    head, got = api.head(path), api.get(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers["content-length"] == got.headers["content-length"]


def test_metrics_have_a_head_and_count_it_as_one(api: httpx.Client) -> None:
    assert api.head("/metrics").status_code == 200
    assert 'http_requests_total{method="HEAD",route="/metrics",status="200"}' in api.get("/metrics").text


def test_the_head_of_a_stream_does_not_wait_for_its_end(api: httpx.Client) -> None:
    job = train(api).headers["location"]

    head = api.head(f"{job}/events", timeout=5)

    assert head.headers["content-type"].startswith("text/event-stream")
    api.delete(job)


def test_where_there_is_no_get_there_is_no_head(api: httpx.Client) -> None:
    assert api.head("/v1/models/tiny/augment").headers["allow"] == "POST"
