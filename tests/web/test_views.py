"""What the views do, each by itself."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from examples.running import Service
from tests.api import services
from tests.web.conftest import watched

VIEWS = [
    "playground",
    "map",
    "train",
    "train?job={train}",
    "evaluate",
    "evaluate?job={evaluate}",
    "jobs",
    "models",
    "datasets?name=digits",
]
PHONE = {"width": 360, "height": 740}


def _address(service: Service, view: str) -> str:
    """A view's address; the jobs in braces are those that the service came with."""
    jobs = service.json("GET", "/v1/jobs?status=succeeded&limit=200")["jobs"]
    oldest = {job["kind"]: job["id"] for job in jobs}
    return f"{service.url}/#/{view.format(**oldest)}"


def _pictures(page: Page) -> list[bytes]:
    """The new images on the screen."""
    sources = page.locator(".children img").evaluate_all("images => images.map((image) => image.src)")
    return [base64.b64decode(source.partition(",")[2]) for source in sources]


def _unzipped(archive: bytes) -> set[bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return {files.read(name) for name in files.namelist() if name.endswith(".png")}


def _pixels(pictures: list[bytes] | set[bytes]) -> set[bytes]:
    return {np.asarray(Image.open(io.BytesIO(picture))).tobytes() for picture in pictures}


def _drawn(page: Page) -> None:
    """Draw a stroke and add it."""
    page.get_by_text("Draw one").click()
    pad = page.get_by_role("img", name="A pad to draw on").bounding_box()
    assert pad is not None
    page.mouse.move(pad["x"] + 100, pad["y"] + 30)
    page.mouse.down()
    page.mouse.move(pad["x"] + 90, pad["y"] + 150)
    page.mouse.up()
    page.get_by_role("button", name="Add the drawing").click()


def _file(folder: Path) -> Path:
    path = folder / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 400, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS, "/docs"])
def test_a_view_is_accessible(browser: Browser, service: Service, view: str, scheme: str) -> None:
    faults: list[str] = []
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    with watched(context, faults) as page:
        page.goto(service.url + view if view == "/docs" else _address(service, view))
        page.wait_for_load_state("networkidle")
        found = Axe().run(page)
        context.close()

    assert found.violations_count == 0, found.generate_report()
    assert not faults


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_a_phone(browser: Browser, service: Service, view: str) -> None:
    with browser.new_context(viewport={"width": PHONE["width"], "height": PHONE["height"]}) as context:
        page = context.new_page()
        page.goto(_address(service, view))
        page.wait_for_load_state("networkidle")

        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_hover_and_focus_tell_where_an_image_comes_from(page: Page, service: Service) -> None:
    page.goto(service.url)
    panel = page.get_by_role("complementary", name="Where the image comes from")
    page.get_by_role("button", name="new image 2 from source 1").hover()
    expect(panel).to_contain_text("interpolation")
    expect(panel.get_by_role("img", name="its neighbour")).to_be_visible()

    page.get_by_role("button", name=re.compile("^source 1")).focus()

    expect(panel).to_contain_text("digits")


def test_two_chosen_images_give_the_strip_between_them(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.get_by_role("button", name=re.compile("^source 1")).press("Enter")
    page.get_by_role("button", name=re.compile("^source 2")).press("Enter")

    expect(page.get_by_role("region", name="From one image to the other").get_by_role("button")).to_have_count(10)


@pytest.mark.parametrize("kind", ["random", "mine"])
@pytest.mark.parametrize("language", ["curl", "Python"])
def test_what_is_copied_gives_the_images_on_the_screen(
    page: Page, service: Service, tmp_path: Path, kind: str, language: str
) -> None:
    page.goto(service.url)
    made = page.locator(".children img")
    expect(made).to_have_count(24)
    if kind == "mine":
        _drawn(page)
        page.get_by_label("Images of yours").set_input_files(_file(tmp_path))
        expect(made).to_have_count(32)
    page.get_by_role("button", name=f"Copy as {language}").click()
    expect(page.locator(".actions")).to_contain_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    command = ["sh", "-e"] if language == "curl" else [sys.executable, "-"]

    subprocess.run(command, input=text, text=True, check=True, cwd=tmp_path, timeout=60)

    assert _pixels(_unzipped((tmp_path / "new-images.zip").read_bytes())) == _pixels(_pictures(page))


def test_what_the_api_refuses_is_said_in_its_words(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.get_by_label("Neighbours").select_option("batch")

    expect(page.get_by_role("alert")).to_contain_text("Too few images")
    expect(page.locator(".stale")).to_be_visible()

    page.get_by_label("Method").select_option("noise")

    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".stale")).to_have_count(0)


def test_the_map_shows_the_image_of_a_dot_and_new_ones_over_it(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/map")
    expect(page.locator(".new")).to_have_count(24)
    panel = page.get_by_role("complementary")

    page.get_by_role("img", name=re.compile("^Map of")).press("ArrowRight")
    expect(panel).to_contain_text("train")
    page.locator(".new path").first.hover(force=True)

    expect(panel).to_contain_text("interpolation")


def test_the_map_takes_another_projection_where_the_model_has_one(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/map")
    expect(page.locator(".new")).to_have_count(24)

    page.get_by_label("Projection").select_option("umap")

    expect(page.locator(".map circle[data-i]")).to_have_count(100)
    expect(page.locator(".new")).to_have_count(24)
    expect(page.get_by_text("how far clusters are apart says nothing")).to_be_visible()


def test_a_job_is_cancelled_after_a_question(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/train?dataset=digits")
    page.get_by_label("Epochs at most").fill("10000")
    page.get_by_text("More").click()
    page.get_by_label("Patience").fill("10000")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stop it").click()

    expect(page.get_by_role("region", name="The job")).to_contain_text("cancelled")


def test_a_model_is_deleted_after_a_question(page: Page, service: Service) -> None:
    service.job("train", {"dataset": "digits", "name": "doomed", "epochs": 1})
    page.goto(f"{service.url}/#/models")
    page.get_by_label("Search").fill("doom")
    page.get_by_role("button", name="Delete doomed").click()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("link", name="doomed", exact=True)).to_be_visible()

    page.get_by_role("button", name="Delete doomed").click()
    page.get_by_role("button", name="Delete", exact=True).click()

    expect(page.get_by_role("link", name="doomed", exact=True)).to_have_count(0)
    assert service.find("/v1/models/doomed") is None


def test_the_reference_sends_what_is_typed_in(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    page.locator("#describe_model > summary").click()
    trial = page.get_by_role("form", name="Try GET /v1/models/{model}", exact=True)
    trial.get_by_label("model").fill("small")
    trial.get_by_role("button", name="Send").click()

    assert json.loads(trial.locator("pre").inner_text())["name"] == "small"


def test_files_that_are_dropped_become_sources(page: Page, service: Service) -> None:
    page.goto(service.url)
    expect(page.locator(".pair")).to_have_count(6)
    drop = """async (area) => {
      const transfer = new DataTransfer();
      const canvas = new OffscreenCanvas(40, 40);
      canvas.getContext("2d").fillRect(0, 0, 20, 40);
      transfer.items.add(new File([await canvas.convertToBlob()], "mine.png", { type: "image/png" }));
      area.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""

    page.get_by_role("region", name="Images to start from").evaluate(drop)

    expect(page.locator(".pair")).to_have_count(7)


def test_a_whole_data_set_is_augmented_as_a_job(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.get_by_role("button", name="Augment the whole data set").click()
    expect(page.locator(".state.succeeded").first).to_be_visible()

    with page.expect_download() as images:
        page.get_by_role("button", name=re.compile("^Download the images")).first.click()

    assert len(_unzipped(Path(images.value.path()).read_bytes())) > 1000


def test_a_server_with_keys_asks_for_one_and_takes_it(browser: Browser) -> None:
    faults: list[str] = []
    context = browser.new_context()
    with (
        services.home() as home,
        services.api(home, api_keys="secret:infer+train") as api,
        watched(context, faults) as page,
    ):
        page.goto(str(api.base_url))
        expect(page.get_by_text("This server asks for a key.")).to_be_visible()
        page.get_by_label("Key of this server").fill("wrong")
        page.get_by_role("button", name="Use").click()
        expect(page.get_by_text("The server does not know this key.")).to_be_visible()
        page.get_by_label("Key of this server").fill("secret")
        page.get_by_role("button", name="Use").click()
        expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
        context.close()
    assert not faults
