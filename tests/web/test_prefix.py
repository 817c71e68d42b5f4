"""The page behind a proxy that shows the service under a prefix."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from examples.running import Service

PREFIX = "/aug"
PASSED_ON = {"accept", "content-type", "location", "content-security-policy", "etag", "if-none-match"}


@pytest.fixture(scope="module")
def behind(service: Service) -> Iterator[str]:
    """The URL of a proxy that takes the prefix off, as nginx does where `proxy_pass` ends with a slash."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() in PASSED_ON}
            url = service.url + self.path.removeprefix(PREFIX)
            answer = httpx.request(
                self.command, url, content=body, headers={**headers, "X-Forwarded-Prefix": PREFIX}, timeout=60
            )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() in PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815 (as http.server has it)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}/"
    server.shutdown()
    server.server_close()


@pytest.mark.slow  # a service of its own for one test
def test_the_page_makes_images_and_shows_the_reference_under_a_prefix(page: Page, behind: str) -> None:
    page.goto(behind)
    expect(page.locator(".children img").first).to_be_visible()

    page.get_by_role("link", name="API reference").click()

    expect(page).to_have_url(f"{behind}docs")
    expect(page.get_by_text("/v1/models/{model}/augment").first).to_be_visible()
    page.locator("a.brand").click()
    expect(page).to_have_url(re.compile(f"^{re.escape(behind)}(#/playground.*)?$"))
