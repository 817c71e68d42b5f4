"""The page in a real browser, served by a real service."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from examples import browser as machine
from examples.running import Service, running_service
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore

PATIENCE = 40_000  # milliseconds; training and measuring share the machine with other tests
EVALUATE = {
    "dataset": "digits",
    "model": "small",
    "labelled": 30,
    "draws": 2,
    "methods": ["interpolation"],
    "classifiers": ["knn"],
    "spaces": ["image"],
    "comparators": ["affine"],
    "combine": False,
    "tune": False,
}
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, closed after the last of these tests: Playwright's event loop would disturb those of other tests."""
    if machine.executable() is None:
        assert not os.environ.get("CI"), "CI must have Chromium: .ci/run installs it"
        pytest.skip("no Chromium on this machine")
    with machine.chromium() as running:
        yield running


@contextmanager
def started() -> Iterator[tuple[Service, ArtefactStore]]:
    with (
        tempfile.TemporaryDirectory(prefix="la-") as folder,
        running_service(Path(folder), trusted_proxies="127.0.0.1") as running,
    ):
        yield running, ArtefactStore((Path(folder) / "store").as_uri())


@pytest.fixture(scope="package")
def service(browser: Browser) -> Iterator[Service]:
    """A service with one model of the digits, `small`, which has a UMAP projection, and an evaluation of it."""
    with started() as (running, store):
        running.job("train", {"dataset": "digits", "name": "small", "epochs": 2, "beta": 0.25})
        give_places(store, "small")
        running.job("evaluate", EVALUATE)
        yield running


@pytest.fixture(scope="module")
def empty(browser: Browser) -> Iterator[Service]:
    """A service without models, as after the first `make run`."""
    with started() as (running, _):
        yield running


def give_places(store: ArtefactStore, name: str) -> None:
    """Add what training adds if umap-learn is installed: here a hundred points in two rows."""
    description = models.describe(store, name)
    places = models.places_bytes(np.stack([np.arange(100), np.arange(100) % 2], axis=1).astype(np.float32))
    store.put(f"models/{name}/{description.version}/umap.safetensors", places)
    described = description.model_copy(update={"umap_sha256": sha256(places).hexdigest()})
    store.put(models.describe_path(name), described.model_dump_json().encode())


@contextmanager
def watched(context: BrowserContext, faults: list[str]) -> Iterator[Page]:
    """A page whose faults are collected: errors on the console, missing files, and requests to other hosts."""
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    # Chromium also logs each answer of 4xx, which the page itself shows to the person.
    page.on(
        "console",
        lambda said: (
            faults.append(said.text)
            if said.type in ("error", "warning") and "Failed to load resource" not in said.text
            else None
        ),
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            faults.append(answer.url) if answer.status >= 400 and urlsplit(answer.url).path[:4] != "/v1/" else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else faults.append(request.url)
        ),
    )
    yield page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    faults: list[str] = []
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    with watched(context, faults) as watched_page:
        yield watched_page
        context.close()
    assert not faults
