"""The page's files as the API serves them."""

from __future__ import annotations

import posixpath
import re

import httpx
import pytest

from service import web
from tests.api import services

SCRIPTS = sorted(path.relative_to(web.FOLDER).as_posix() for path in web.FOLDER.rglob("*.*"))


@pytest.fixture(scope="module")
def api() -> httpx.Client:
    with services.home() as home, services.api(home, api_keys="secret:infer") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/docs", *(f"/static/{name}" for name in SCRIPTS)])
def test_every_file_is_served_without_a_key_under_a_strict_policy(api: httpx.Client, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_has_not_changed_is_not_sent_again(api: httpx.Client) -> None:
    tag = api.get("/static/style.css").headers["etag"]

    assert api.get("/static/style.css", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["nothing.js", "..%2f__init__.py", "%2e%2e/__init__.py", "js", "%00", "a" * 5000, "js/../../__init__.py"]
)
def test_nothing_else_is_served(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/static/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_other_verbs_are_refused(api: httpx.Client) -> None:
    answer = api.post("/static/style.css")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_file_names_an_address_elsewhere(name: str) -> None:
    found = re.findall(r"https?://[^\s\"'`)]+", (web.FOLDER / name).read_text())

    assert set(found) <= {"http://www.w3.org/2000/svg"}


def test_the_first_view_asks_for_all_its_modules_at_once() -> None:
    asked = re.findall(r'modulepreload" href="static/([^"]+)"', (web.FOLDER / "index.html").read_text())

    assert set(asked) | {"js/app.js"} == _imported("js/app.js") | _imported("js/views/playground.js")


def _imported(name: str) -> set[str]:
    """A module and all that it imports, directly or not."""
    found, left = set(), [name]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            text = (web.FOLDER / module).read_text()
            for path in re.findall(r'^import (?:[^"]* from )?"([^"]+)"', text, re.MULTILINE):
                left.append(posixpath.normpath(f"{posixpath.dirname(module)}/{path}"))
    return found


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.endswith(".html")])
def test_no_page_asks_for_a_file_at_the_root_of_its_host(name: str) -> None:
    assert not re.findall(r'(?:href|src)="/', (web.FOLDER / name).read_text())  # the service may lie under a prefix


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.endswith((".js", ".html"))])
def test_no_file_sets_an_option_that_the_service_declares(name: str) -> None:
    options = "alpha|k|seed|copies|epochs|patience|beta|latent_dim|learning_rate|draws|retries|steps"

    assert not re.findall(rf"\b(?:{options})\b\W{{1,3}}[0-9.]+\b", (web.FOLDER / name).read_text())
