"""Take a picture of each view of the page, from a real run: `python -m docs.screenshots` writes docs/images/page-*.png.

It starts its own service, trains and evaluates on the bundled digits, and opens each view in Chromium.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from examples.browser import chromium
from examples.running import Service, running_service

HOME = Path("build/screenshots")
IMAGES = Path(__file__).with_name("images")
TRAIN = {"dataset": "digits", "name": "digits-vae", "beta": 0.25}
EVALUATE = {
    "dataset": "digits",
    "model": "digits-vae",
    "labelled": 100,
    "draws": 5,
    "classifiers": ["svm", "knn"],
    "spaces": ["image"],
    "comparators": ["affine"],
    "combine": False,
}
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Take all pictures."""
    shutil.rmtree(HOME, ignore_errors=True)
    with running_service(HOME) as service, chromium() as browser:
        train = service.job("train", TRAIN)["id"]
        evaluate = service.job("evaluate", EVALUATE)["id"]
        for name, view, prepare in (
            ("playground", "playground", _playground),
            ("map", "map", _map),
            ("train", "train?dataset=digits", _nothing),
            ("training", f"train?job={train}", _nothing),
            ("evaluate", "evaluate", _nothing),
            ("report", f"evaluate?job={evaluate}", _nothing),
            ("jobs", "jobs", _nothing),
            ("models", "models", _nothing),
            ("datasets", "datasets?name=digits", _nothing),
        ):
            _take(browser, service, name, f"/#/{view}", prepare)
        _take(browser, service, "api", "/docs", _nothing)
        _take(browser, service, "dark", "/#/playground", _playground, dark=True)
        _take(browser, service, "phone", "/#/playground", _nothing, size=PHONE)


def _take(
    browser: Browser,
    service: Service,
    name: str,
    path: str,
    prepare: Callable[[Page], None],
    *,
    dark: bool = False,
    size: dict[str, int] = WIDE,
) -> None:
    page = browser.new_page(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.goto(service.url + path)
    page.wait_for_load_state("networkidle")
    prepare(page)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"page-{name}.png", full_page=True)
    page.close()


def _nothing(page: Page) -> None:
    """Show the view as it opens."""


def _playground(page: Page) -> None:
    """Show the steps between two sources, and where a child comes from."""
    page.get_by_label("alpha").fill("0.65")
    page.get_by_label("Decode").select_option("residual")
    page.get_by_role("button", name="source 1,").click()
    page.get_by_role("button", name="source 2,").click()
    page.get_by_role("button", name="new image 2 from source 1").hover()


def _map(page: Page) -> None:
    """Show where a new image comes from."""
    page.locator(".new path").first.hover(force=True)


if __name__ == "__main__":
    main()
