"""`python -m bench.page`: how soon the page shows something, and how soon new images follow a slider.

In Chromium on this machine, from a service of its own with a model of the bundled digits. First paint is the browser's
own `first-contentful-paint`, each time in a new, empty browser context. From slider to images is from the slider's
event to the frame after 16 new images are decoded.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench import machine
from examples.browser import chromium
from examples.running import Service, running_service

HOME = Path("build/page")
TRAIN = {"dataset": "digits", "name": "page", "epochs": 3, "beta": 0.25}
SOURCES, CHILDREN = 4, 4
GOALS = {"first paint": 1000.0, "usable playground": 1000.0, "slider to 16 new images": 150.0}
"""Milliseconds, of the medians."""

_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
_NOW = "() => performance.now()"
_MOVE = """async (value) => {
  const slider = document.querySelector("input[type=range]");
  const grid = document.querySelector(".pairs");
  const started = performance.now();
  const changed = new Promise((resolve) => {
    const observer = new MutationObserver(() => { observer.disconnect(); resolve(); });
    observer.observe(grid, { childList: true });
  });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  const images = [...grid.querySelectorAll(".children img")];
  await Promise.all(images.map((image) => image.decode()));
  await new Promise(requestAnimationFrame);
  return [performance.now() - started, images.length];
}"""


def main() -> None:
    """Measure and print medians and 95th percentiles beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=20, help="times the page is opened")
    parser.add_argument("--moves", type=int, default=100, help="times the slider is moved")
    options = parser.parse_args()
    shutil.rmtree(HOME, ignore_errors=True)
    with running_service(HOME) as service, chromium() as browser:
        service.job("train", TRAIN)
        paints, usable = zip(*(_load(browser, service) for _ in range(options.loads)), strict=True)
        moves = _moves(browser, service, options.moves)
    print("| what | median, ms | 95th percentile, ms | goal, ms |\n|---|---|---|---|")
    for (what, goal), times in zip(GOALS.items(), (paints, usable, moves), strict=True):
        print(f"| {what} | {statistics.median(times):.0f} | {_percentile(times):.0f} | {goal:.0f} |")
    print(f"\nOn {machine.describe()}, load {machine.load():.1f} at the end.")


def _load(browser: Browser, service: Service) -> tuple[float, float]:
    """Milliseconds from opening the page to its first paint, and to new images on it."""
    page = browser.new_page()
    page.goto(service.url)
    page.locator(".children img").first.wait_for()
    usable: float = page.evaluate(_NOW)
    paint: float = page.evaluate(_PAINT)
    page.close()
    return paint, usable


def _moves(browser: Browser, service: Service, count: int) -> list[float]:
    """Milliseconds of each move."""
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("How many").fill(str(SOURCES))
    page.get_by_role("button", name="Random images").click()
    page.wait_for_load_state("networkidle")
    return [_move(page, 0.05 + 0.9 * i / count) for i in range(count)]


def _move(page: Page, alpha: float) -> float:
    milliseconds, images = page.evaluate(_MOVE, alpha)
    if images != SOURCES * CHILDREN:
        raise SystemExit(f"the page showed {images} new images instead of {SOURCES * CHILDREN}")
    return float(milliseconds)


def _percentile(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
