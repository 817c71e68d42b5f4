"""A service without keys: its own page and programs may use it, the pages of other sites may not."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.api import services
from tests.api.services import Home

FOREIGN = "https://evil.example.org"
NAMED = "lab.example.org"
SITE = "https://app.example.org"
JOB = {"dataset": "digits"}


@pytest.fixture(scope="module")
def own() -> Iterator[Home]:
    with services.home() as made:
        yield made


@pytest.fixture(scope="module")
def open_to_all(own: Home) -> Iterator[httpx.Client]:
    """A service without keys, behind a proxy by a name of its own, that the pages of one site may call."""
    with services.api(own, host_names=f"{NAMED}, other.example.org", cors_origins=SITE) as client:
        yield client


@pytest.fixture(scope="module")
def keyed(own: Home) -> Iterator[httpx.Client]:
    with services.api(own, api_keys="secret:train") as client:
        client.headers["Authorization"] = "Bearer secret"
        yield client


def port_of(client: httpx.Client) -> int:
    assert client.base_url.port is not None
    return client.base_url.port


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org",
        "evil.example.org:8000",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "192.0.2.1",
        "[x",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/jobs", "/openapi.json", "/metrics", "/nowhere"])
def test_a_request_for_another_host_is_told_what_to_do(open_to_all: httpx.Client, host: str, path: str) -> None:
    answer = open_to_all.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "misdirected"
    assert "LATENTAUG_HOST_NAMES" in answer.json()["detail"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.8.8.8:80", "[::1]:8000", NAMED, f"{NAMED}:8443"],
)
def test_names_of_this_machine_and_those_that_are_set_are_its_own(open_to_all: httpx.Client, host: str) -> None:
    assert open_to_all.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": "http://[x"},
        {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://{NAMED}.example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": FOREIGN, "X-Forwarded-Host": "evil.example.org", "X-Forwarded-For": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs/train"),
        ("POST", "/v1/datasets?name=theirs"),
        ("POST", "/v1/models/tiny/augment"),
        ("DELETE", "/v1/jobs/1"),
        ("DELETE", "/v1/models/tiny"),
    ],
)
def test_what_pages_of_other_sites_would_change_or_compute_is_refused(
    open_to_all: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = open_to_all.request(method, path, headers=headers)

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "foreign_site"
    assert "LATENTAUG_CORS_ORIGINS" in answer.json()["detail"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_another_site_starts_no_job_by_a_form(open_to_all: httpx.Client) -> None:
    """A form needs no preflight, and one of plain text may hold JSON."""
    before = open_to_all.get("/v1/jobs").json()

    refused = open_to_all.post(
        "/v1/jobs/train", content=b'{"dataset":"digits"}', headers={"Origin": FOREIGN, "Content-Type": "text/plain"}
    )

    assert refused.status_code == 403
    assert open_to_all.get("/v1/jobs").json() == before


def test_its_own_page_a_program_and_named_sites_may(open_to_all: httpx.Client) -> None:
    port = port_of(open_to_all)
    callers = [
        {},
        {"Origin": f"http://127.0.0.1:{port}"},
        {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"},
        {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"https://{NAMED}", "Host": NAMED},
        {"Origin": f"https://{NAMED}", "Host": f"{NAMED}:443"},
        {"Origin": f"http://{NAMED}"},  # behind a proxy that asks for 127.0.0.1, without Sec-Fetch-Site
        {"Origin": "https://unnamed.example.org", "Sec-Fetch-Site": "same-origin"},  # behind one of any name
        {"Origin": SITE},
        {"Origin": SITE, "Sec-Fetch-Site": "cross-site"},
    ]

    answers = [open_to_all.post("/v1/jobs/train", json=JOB, headers=headers) for headers in callers]

    assert [answer.status_code for answer in answers] == [202] * len(callers)
    assert answers[-1].headers["access-control-allow-origin"] == SITE


def test_a_page_may_be_reached_by_a_link_from_another_site(open_to_all: httpx.Client) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    assert open_to_all.get("/", headers=link).status_code == 200


def test_where_there_are_keys_they_decide(keyed: httpx.Client) -> None:
    headers = {"Host": "anything.example.org", "Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}

    answer = keyed.post("/v1/jobs/train", json=JOB, headers=headers)

    assert answer.status_code == 202
