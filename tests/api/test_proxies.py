"""Behind a proxy that shows the service under a prefix, and called by pages of other sites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from tests.api import services
from tests.api.bodies import NPZ, npz, pictures
from tests.api.services import Home

FORWARDED = {"X-Forwarded-Prefix": "/aug"}
SITE = "https://app.example.org"
KEY = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def own() -> Iterator[Home]:
    with services.home() as made:
        yield made


@pytest.fixture(scope="module")
def api(own: Home) -> Iterator[httpx.Client]:
    """An API with keys under the prefix that is set, and callable by the pages of one site."""
    settings = {
        "root_path": "/set",
        "trusted_proxies": "127.0.0.1",
        "cors_origins": f"{SITE}, https://other.example.org",
        "api_keys": "secret:train",
    }
    with services.api(own, **settings) as client:
        client.headers.update(KEY)
        yield client


@pytest.fixture(scope="module")
def plain(own: Home) -> Iterator[httpx.Client]:
    """An API without these settings, behind a proxy on this machine."""
    with services.api(own, trusted_proxies="127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_the_page_names_its_files_relative_to_itself(plain: httpx.Client, page: str) -> None:
    named = re.findall(r'(?:src|href)="([^"#]+)"', plain.get(page).text)

    assert named
    for address in named:
        under = urljoin(f"/aug{page}", address)
        assert under.startswith("/aug/")
        assert plain.get(under.removeprefix("/aug")).status_code == 200


def test_a_trusted_proxy_says_under_which_prefix_it_shows_the_service(plain: httpx.Client) -> None:
    document = plain.get("/openapi.json", headers=FORWARDED).json()
    uploaded = plain.post(
        "/v1/datasets?name=here",
        content=npz(images=pictures(8)),
        headers={"Content-Type": NPZ, **FORWARDED},
    )
    job = plain.post("/v1/jobs/train", json={"dataset": "here"}, headers=FORWARDED)

    assert document["servers"] == [{"url": "/aug"}]
    assert uploaded.headers["location"] == "/aug/v1/datasets/here"
    assert job.headers["location"] == f"/aug/v1/jobs/{job.json()['id']}"
    assert "servers" not in plain.get("/openapi.json").json(), "the next caller has no prefix"


@pytest.mark.parametrize("prefix", ["//evil.example.org", "/a b", "https://evil.example.org", "/v1", "/", "aug", "/é"])
def test_a_prefix_that_is_none_is_not_believed(plain: httpx.Client, prefix: str) -> None:
    answer = plain.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix.encode()})

    assert "servers" not in answer.json()


@pytest.mark.parametrize("trusted", [None, "192.0.2.0/24"])
def test_nobody_but_a_trusted_proxy_is_believed(own: Home, trusted: str | None) -> None:
    with services.api(own, trusted_proxies=trusted) as client:
        assert "servers" not in client.get("/openapi.json", headers=FORWARDED).json()


@pytest.mark.parametrize("taken_off", [True, False])
def test_a_prefix_that_is_set_serves_whether_or_not_the_proxy_takes_it_off(api: httpx.Client, taken_off: bool) -> None:
    before = "" if taken_off else "/set"

    job = api.post(f"{before}/v1/jobs/train", json={"dataset": "digits"})

    assert job.headers["location"] == f"/set/v1/jobs/{job.json()['id']}"
    assert api.get(f"{before}/openapi.json").json()["servers"] == [{"url": "/set"}]
    assert api.get(f"{before}/").status_code == 200
    assert api.get(f"{before}/static/js/app.js").status_code == 200
    assert 'route="/v1/jobs/train"' in api.get(f"{before}/metrics").text


def test_the_prefix_without_a_slash_leads_to_the_page(api: httpx.Client) -> None:
    answer = api.get("/set")

    assert answer.status_code == 307
    assert answer.headers["location"] == "/set/"


@pytest.mark.parametrize("claimed", [{}, {"X-Forwarded-Proto": "ws"}, {"Host": "evil.example.org"}])
def test_a_redirect_stays_where_it_is_whatever_host_is_claimed(api: httpx.Client, claimed: dict[str, str]) -> None:
    set_by_us = api.get("/v1/models/?limit=1", headers=claimed)
    forwarded = api.get("/v1/models/", headers={**claimed, **FORWARDED})
    named_like_a_host = api.get("//evil.example.org/", headers=claimed)

    assert (set_by_us.status_code, set_by_us.headers["location"]) == (307, "/set/v1/models?limit=1")
    assert forwarded.headers["location"] == "/aug/v1/models"
    assert "evil" not in named_like_a_host.headers.get("location", "")


def test_pages_of_a_named_site_may_call_with_a_key_and_read_what_they_need(api: httpx.Client) -> None:
    asked = {
        "Origin": SITE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }

    preflight = httpx.options(f"{api.base_url}/v1/jobs/train", headers=asked)
    answer = api.post("/v1/jobs/train", json={"dataset": "digits"}, headers={"Origin": SITE})
    refused = httpx.post(f"{api.base_url}/v1/jobs/train", json={"dataset": "digits"}, headers={"Origin": SITE})

    assert preflight.status_code == 200, "a browser sends no key with a preflight"
    assert {"authorization", "content-type", "idempotency-key"} <= words(preflight, "access-control-allow-headers")
    assert {"get", "post", "delete"} <= words(preflight, "access-control-allow-methods")
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == SITE
    assert {"location", "retry-after", "augment-decode", "augment-tally", "x-request-id"} <= words(
        answer, "access-control-expose-headers"
    )
    assert "access-control-allow-credentials" not in answer.headers
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == SITE, "the page must be able to read what is wrong"


def words(answer: httpx.Response, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers[header].split(",")}


def test_pages_of_other_sites_may_not(api: httpx.Client, plain: httpx.Client) -> None:
    asked = {"Origin": "https://evil.example.org", "Access-Control-Request-Method": "POST"}

    for client in (api, plain):
        assert "access-control-allow-origin" not in client.options("/v1/jobs/train", headers=asked).headers
        assert "access-control-allow-origin" not in client.get("/v1/models", headers=asked).headers
    assert "access-control-allow-origin" not in plain.get("/v1/models", headers={"Origin": SITE}).headers
