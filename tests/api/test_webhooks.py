"""Which webhooks a job may have."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.api import services

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TRAIN = "/v1/jobs/train"


@pytest.fixture(scope="module")
def signing() -> Iterator[httpx.Client]:
    """An API that sends webhooks, to one network that is not public too."""
    with services.home() as home, services.api(home, webhook_secret=SECRET, webhook_networks="127.0.0.0/24") as client:
        yield client


@pytest.mark.parametrize(
    "url",
    ["https://example.org/ended?token=1", "https://192.0.2.1.example.org:8443", "https://8.8.8.8", "http://127.0.0.1:9",
     "http://localhost:9/ended", "https://[2606:4700::1]/"],
)  # fmt: skip
def test_a_public_or_allowed_address_is_taken(signing: httpx.Client, url: str) -> None:
    answer = signing.post(TRAIN, json={"dataset": "digits", "webhook": url})

    assert answer.status_code == 202, answer.text
    assert answer.json()["params"]["webhook"] == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org", "must begin with https://"),
        ("ftp://example.org", "must begin with https://"),
        ("example.org", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://example.org:99999", "is not a URL"),
        ("https://exa mple.org", "is not a URL"),
        ("https://example.org/\n", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://me:secret@example.org", "leave out user, password"),
        ("https://10.0.0.1", "10.0.0.1 is not a public address"),
        ("https://169.254.169.254/latest", "is not a public address"),
        ("https://[::1]", "is not a public address"),
        ("http://127.0.1.1", "is not a public address"),
        ("https://[::ffff:10.0.0.1]", "is not a public address"),
        (f"https://example.org/{'a' * 2000}", "at most 2000"),
    ],
)
def test_any_other_is_refused_with_what_to_do(signing: httpx.Client, url: str, said: str) -> None:
    answer = signing.post(TRAIN, json={"dataset": "digits", "webhook": url})

    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert [error["loc"] for error in answer.json()["errors"]] == ["webhook"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("kind", ["evaluate", "augment", "label", "recommend"])
def test_jobs_of_every_kind_take_one(signing: httpx.Client, kind: str) -> None:
    schemas = signing.get("/openapi.json").json()["components"]["schemas"]

    assert "webhook" in schemas[f"{kind.title()}Params"]["properties"]


def test_without_a_secret_to_sign_with_none_is_taken(api: httpx.Client) -> None:
    answer = api.post(TRAIN, json={"dataset": "digits", "webhook": "https://example.org"})

    assert answer.status_code == 422
    assert "LATENTAUG_WEBHOOK_SECRET" in answer.json()["detail"]
