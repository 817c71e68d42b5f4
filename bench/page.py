"""`make bench-page`: how soon the page shows something, and how soon new images follow a slider.

The benchmark starts its own service, trains a model on the bundled digits, and opens the page in Chromium on the same
machine. First paint is the browser's own `first-contentful-paint`, each time in a new, empty browser context. The time
from the slider to 16 new images ends with the first frame after all of them are decoded.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench import results
from examples.browser import chromium
from examples.running import Service, running_service

HOME = Path("build/page")
TRAIN = {"dataset": "digits", "name": "page", "epochs": 3, "beta": 0.25}
SOURCES, CHILDREN = 4, 4
GOALS = {"first paint": 1000.0, "usable playground": 1000.0, "slider to 16 new images": 150.0}
"""What the medians should stay under, in milliseconds."""

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


def main(arguments: Sequence[str]) -> None:
    """Measure, and write medians and 95th percentiles beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=20, help="how many times to open the page (20)")
    parser.add_argument("--moves", type=int, default=100, help="how many times to move the slider (100)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the results (docs/results)")
    given = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(HOME, ignore_errors=True)
    with running_service(HOME) as service, chromium() as browser:
        service.job("train", TRAIN)
        paints, usable = zip(*(_load(browser, service) for _ in range(given.loads)), strict=True)
        moves = _moves(browser, service, given.moves)
    data = dict(zip(GOALS, (paints, usable, moves), strict=True))
    page = [
        "# The page",
        "",
        f"In Chromium on the same machine: the page was opened {given.loads} times, and the slider was moved "
        f"{given.moves} times, which made {SOURCES * CHILDREN} new images of 8x8 pixels each time.",
        "",
        "| what | median, ms | 95th percentile, ms | goal, ms |",
        "|---|---|---|---|",
        *(
            f"| {what} | {statistics.median(times):.0f} | {_percentile(times):.0f} | {GOALS[what]:.0f} |"
            for what, times in data.items()
        ),
    ]
    results.write(given.results, "page", results.command("bench-page", arguments), environment, data, page)


def _load(browser: Browser, service: Service) -> tuple[float, float]:
    """Milliseconds from opening the page to its first paint and to its first new images."""
    page = browser.new_page()
    page.goto(service.url)
    page.locator(".children img").first.wait_for()
    usable: float = page.evaluate(_NOW)
    paint: float = page.evaluate(_PAINT)
    page.close()
    return paint, usable


def _moves(browser: Browser, service: Service, count: int) -> list[float]:
    """Milliseconds from each move of the slider to its new images."""
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("How many").fill(str(SOURCES))
    page.get_by_label("images each").fill(str(CHILDREN))
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
    main(sys.argv[1:])
