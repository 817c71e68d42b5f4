"""Take a picture of each view of the page, from a real run: `python -m docs.screenshots` writes docs/images/page-*.png.

It starts its own service, uploads a folder of colour photos in Chromium as a person would, trains and evaluates on them
and on the bundled digits, and opens each view.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from examples import photos
from examples.browser import chromium
from examples.running import Service, running_service

HOME = Path("build/screenshots")
IMAGES = Path(__file__).with_name("images")
PHOTOS = {"dataset": "photos", "name": "photos-vae", "max_seconds": 120.0, "epochs": 60}
PHOTOS_SHORT = {"dataset": "photos", "name": "photos-short", "epochs": 4}
DIGITS = {"dataset": "digits", "name": "digits-vae", "beta": 0.25}
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
PATIENCE = 60_000  # milliseconds


def main() -> None:
    """Take all pictures."""
    shutil.rmtree(HOME, ignore_errors=True)
    with running_service(HOME / "service") as service, chromium() as browser:
        _upload(browser, service, photos.write(HOME / "photos", each=80, unlabelled=60))
        train = service.job("train", PHOTOS)["id"]
        service.job("train", PHOTOS_SHORT)
        service.job("train", DIGITS)
        evaluate = service.job("evaluate", EVALUATE)["id"]
        augment = service.job("augment", {"dataset": "photos", "model": "photos-vae"})["id"]
        for name, view, prepare in (
            ("playground", "playground?model=photos-vae", _playground),
            ("map", "map?model=photos-vae", _map),
            ("train", "train?dataset=photos", _nothing),
            ("training", f"train?job={train}", _nothing),
            ("evaluate", "evaluate?model=photos-vae", _nothing),
            ("report", f"evaluate?job={evaluate}", _nothing),
            ("jobs", "jobs", _nothing),
            ("job", f"jobs?job={augment}", _nothing),
            ("models", "models", _nothing),
            ("compare", "models?compare=photos-vae,photos-short", _nothing),
            ("datasets", "datasets?name=photos", _nothing),
        ):
            _take(browser, service, name, f"/#/{view}", prepare)
        _take(browser, service, "api", "/docs", _nothing)
        _take(browser, service, "dark", "/#/playground?model=digits-vae", _playground, dark=True)
        _take(browser, service, "phone", "/#/playground?model=photos-vae", _scrolled, size=PHONE, whole=False)


def _upload(browser: Browser, service: Service, folder: Path) -> None:
    """Upload the folder, and take pictures of the first view and of what is said before the upload."""
    (folder / "roof" / "torn.jpg").write_bytes((folder / "roof" / "0.jpg").read_bytes()[:100])
    (folder / "notes.txt").write_text("From the trip in May")
    page = _page(browser)
    page.goto(service.url)
    page.get_by_text("No images at hand?").wait_for()
    _shoot(page, "start")
    page.get_by_label("Folder").set_input_files(folder)
    send = page.get_by_role("button", name=re.compile("^Upload"))
    send.wait_for()
    _shoot(page, "upload")
    send.click()
    page.get_by_role("link", name="Train on photos").wait_for()
    page.close()


def _page(browser: Browser, *, dark: bool = False, size: dict[str, int] = WIDE) -> Page:
    page = browser.new_page(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.set_default_timeout(PATIENCE)
    return page


def _take(
    browser: Browser,
    service: Service,
    name: str,
    path: str,
    prepare: Callable[[Page], None],
    *,
    dark: bool = False,
    size: dict[str, int] = WIDE,
    whole: bool = True,
) -> None:
    page = _page(browser, dark=dark, size=size)
    page.goto(service.url + path)
    page.wait_for_load_state("networkidle")
    prepare(page)
    _shoot(page, name, whole=whole)
    page.close()


def _shoot(page: Page, name: str, *, whole: bool = True) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"page-{name}.png", full_page=whole)


def _nothing(page: Page) -> None:
    """Show the view as it opens."""


def _playground(page: Page) -> None:
    """Show the steps between two sources, and where a child comes from."""
    page.get_by_label("alpha").fill("0.65")
    page.get_by_role("button", name="source 1,").click()
    page.get_by_role("button", name="source 2,").click()
    page.get_by_role("region", name="From one image to the other").locator("img").first.wait_for()
    page.get_by_role("button", name="new image 2 from source 1").hover()
    page.get_by_role("img", name="its neighbour").wait_for()


def _map(page: Page) -> None:
    """Show where a new image comes from."""
    page.locator(".new path").first.hover(force=True)


def _scrolled(page: Page) -> None:
    """Show the new images, over the buttons that stay at the foot of a phone."""
    page.locator(".pairs").scroll_into_view_if_needed()
    page.locator(".pairs").evaluate("node => node.scrollIntoView()")


if __name__ == "__main__":
    main()
