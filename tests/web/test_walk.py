"""From a folder of images to new ones and a verdict, by clicks alone."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from examples.running import Service

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 230)}
EACH = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small colour data set: squares of three colours, somewhere on grey, in a folder for each colour."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        place = tmp_path / "squares" / name
        place.mkdir(parents=True)
        for i in range(EACH):
            image = np.full((16, 16, 3), 90, np.uint8)
            top, left = rng.integers(0, 8, 2)
            image[top : top + 8, left : left + 8] = np.clip(np.array(colour) + rng.integers(-30, 30, 3), 0, 255)
            Image.fromarray(image).save(place / f"{i}.png")
    return tmp_path / "squares"


def test_digits_go_from_the_first_page_to_a_verdict(page: Page, empty: Service, tmp_path: Path) -> None:
    page.goto(empty.url)
    expect(page.get_by_text("Give it your images")).to_be_visible()
    expect(page.get_by_role("heading", name="Start with your images")).to_be_visible()
    _expect_next(page, "Upload")
    assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Train on the digits").click()

    _walk(page, "digits", tmp_path)


@pytest.mark.slow  # most of it stands in test_first_hour.py, too
def test_a_folder_of_colour_images_goes_from_upload_to_a_verdict(
    page: Page, empty: Service, folder: Path, tmp_path: Path
) -> None:
    page.goto(f"{empty.url}/#/train")
    page.get_by_label("Folder").set_input_files(folder)
    expect(page.get_by_text("90 images")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    _expect_next(page, "Train")
    page.get_by_role("link", name="Train on squares").click()
    expect(page.get_by_role("region", name="Data set squares")).to_contain_text("colour")
    expect(page.get_by_role("region", name="Data set squares")).to_contain_text("red")

    _walk(page, "squares", tmp_path)


def _expect_next(page: Page, step: str) -> None:
    """Expect that this one of the four steps is marked as the next."""
    steps = page.get_by_role("list", name="From images to a verdict").get_by_role("link")
    expect(steps).to_have_count(4)
    expect(steps.filter(has_text="next")).to_contain_text(step)


def _walk(page: Page, dataset: str, tmp_path: Path) -> None:
    _train(page)
    _augment(page, dataset, tmp_path)
    _evaluate(page)


def _train(page: Page) -> None:
    page.get_by_label("Seconds at most").fill("5")  # all other options stay as they are, some of them empty
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("img", name=re.compile("not trained on, after"))).to_be_visible()
    ready = page.get_by_role("region", name="The trained model")
    expect(ready).to_contain_text("dB on held-out images")
    for strip in ("test image", "new image", "reconstruction"):
        expect(ready.get_by_text(strip, exact=True)).to_be_visible()
    _expect_next(page, "Make images")
    page.get_by_role("link", name="Make new images").click()


def _augment(page: Page, dataset: str, tmp_path: Path) -> None:
    made = page.locator(".children img")
    expect(made).to_have_count(18)
    expect(page.get_by_label("Model")).to_contain_text(dataset)
    before = made.first.get_attribute("src")
    page.get_by_label("alpha").fill("0.9")
    expect(made.first).not_to_have_attribute("src", before or "")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download zip").click()
    download.value.save_as(tmp_path / "new.zip")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        assert "manifest.csv" in archive.namelist()
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 18
    _expect_next(page, "Check")
    page.get_by_role("link", name="Do they help? Evaluate").click()


def _evaluate(page: Page) -> None:
    page.get_by_label("Labelled images").fill("30")
    page.get_by_label("Draws").fill("2")
    page.get_by_label("SVM").uncheck()
    page.get_by_label("extrapolation").uncheck()
    page.get_by_role("button", name="Start").click()
    verdict = page.get_by_role("region", name="kNN")
    expect(verdict.get_by_text(re.compile("^(Use |Leave |No clear effect)"))).to_be_visible()
    expect(page.get_by_role("img", name="Gains of kNN")).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("^interpolation"))).to_be_visible()
    with page.expect_download() as report:
        page.get_by_role("button", name="report.md").click()
    assert report.value.suggested_filename == "report.md"
