"""What the views do, each by itself."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

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
    "models?compare=small",
    "datasets?name=digits",
]
UNKNOWN = "0123456789abcdef0123456789abcdef"
PHONE = {"width": 360, "height": 740}


def _address(service: Service, view: str) -> str:
    """A view's address; the jobs in braces are those of the fixture."""
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


def _declared(document: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    """The schema of an option in the contract: of the query or else of the JSON body."""
    operation = document["paths"][path]["post"]
    for parameter in operation.get("parameters", []):
        if parameter["name"] == name:
            return _followed(document, parameter["schema"])
    body = _followed(document, operation["requestBody"]["content"]["application/json"]["schema"])
    return _followed(document, body["properties"][name])


def _followed(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _followed(document, found) | {name: value for name, value in schema.items() if name != "$ref"}


def _file(folder: Path) -> Path:
    path = folder / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 400, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("view", [*VIEWS, "/docs"])
def test_a_view_is_accessible_in_light_and_in_dark(page: Page, service: Service, view: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(service.url + view if view == "/docs" else _address(service, view))
    page.wait_for_load_state("networkidle")
    light = Axe().run(page)
    page.emulate_media(color_scheme="dark")
    dark = Axe().run(page, options={"runOnly": ["color-contrast"]})  # nothing else depends on the scheme

    assert light.violations_count == 0, light.generate_report()
    assert dark.violations_count == 0, dark.generate_report()
    assert dark.response["passes"], "contrast was not measured"


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

    expect(page.get_by_role("region", name="From one image to the other").get_by_role("button")).to_have_count(8)


@pytest.mark.parametrize("kind", ["random", "mine"])
@pytest.mark.parametrize("language", ["curl", "Python"])
def test_what_is_copied_gives_the_images_on_the_screen(
    page: Page, service: Service, tmp_path: Path, kind: str, language: str
) -> None:
    page.goto(service.url)
    made = page.locator(".children img")
    expect(made).to_have_count(18)
    if kind == "mine":
        _drawn(page)
        page.get_by_label("Your own images").set_input_files(_file(tmp_path))
        expect(made).to_have_count(24)
    page.get_by_role("button", name=f"Copy as {language}").click()
    expect(page.locator(".actions")).to_contain_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    command = ["sh", "-e"] if language == "curl" else [sys.executable, "-"]

    subprocess.run(command, input=text, text=True, check=True, cwd=tmp_path, timeout=60)

    assert _pixels(_unzipped((tmp_path / "new-images.zip").read_bytes())) == _pixels(_pictures(page))


def test_what_the_api_refuses_is_said_and_goes_once_it_is_put_right(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.get_by_label("Neighbours").select_option("batch")

    expect(page.get_by_role("alert")).to_contain_text("Too few images")
    expect(page.locator(".stale")).to_be_visible()

    page.get_by_label("Method").select_option("noise")

    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".stale")).to_have_count(0)


def test_what_is_missing_is_said_without_the_names_of_endpoints(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/train?job={UNKNOWN}")

    expect(page.get_by_role("alert")).to_contain_text("This job is not here.")
    expect(page.get_by_role("alert")).not_to_contain_text("/v1/")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/v1/models/gone", "This model is not here."),
        ("/v1/datasets/gone/images", "This data set is not here."),
        (f"/v1/jobs/{UNKNOWN}/result", "This file is not here."),
    ],
)
def test_an_error_names_what_is_missing(page: Page, service: Service, path: str, title: str) -> None:
    page.goto(service.url)
    ask = """async (path) => {
      const { get } = await import("/static/js/api.js");
      return get(path).catch((error) => error.title);
    }"""

    assert page.evaluate(ask, path) == title


def test_an_address_that_is_no_page_is_told(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/nowhere")
    expect(page.get_by_text("There is no page of that name here.")).to_be_visible()

    page.goto(f"{service.url}/#/playground")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("There is no page of that name here.")).to_be_hidden()


def test_a_model_whose_name_is_taken_is_refused_in_plain_words(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/train?dataset=digits")
    name = page.get_by_label("Name of the model")
    name.fill("small")
    page.get_by_role("button", name="Start training").click()

    expect(name).not_to_have_js_property("validationMessage", "")
    said = name.evaluate("input => input.validationMessage")
    assert re.fullmatch(r"That name is taken\. digits-\d+ is free\.", said)


def test_a_data_set_says_what_to_know_before_it_is_used(page: Page, service: Service) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    body = io.BytesIO()
    np.savez(body, images=np.concatenate([images, images[:2]]), labels=["a", "b"] * 6 + ["b", "b"])
    service.call("POST", "/v1/datasets?name=repeated", body.getvalue(), "application/x-npz")

    for view in ("datasets?name=repeated", "train?dataset=repeated", "recommend?dataset=repeated"):
        page.goto(f"{service.url}/#/{view}")

        expect(page.get_by_text("Of 14 images, 2 repeat an earlier one")).to_be_visible()
        expect(page.get_by_text("1 picture has different labels in different images")).to_be_visible()
    service.call("DELETE", "/v1/datasets/repeated")


def test_an_evaluation_needs_a_classifier(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/evaluate")
    page.get_by_label("SVM").uncheck()
    page.get_by_label("kNN").uncheck()
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_label("SVM")).to_have_js_property("validationMessage", "Choose at least one classifier.")
    assert "job=" not in page.url

    page.get_by_label("MLP").check()

    expect(page.get_by_label("SVM")).to_have_js_property("validationMessage", "")


def test_an_evaluation_of_partly_labelled_images_offers_what_it_can_take(page: Page, service: Service) -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 8, 8), np.uint8)
    body = io.BytesIO()
    np.savez(body, images=images, labels=["a", "b"] * 10 + [""] * 20)
    service.call("POST", "/v1/datasets?name=partly", body.getvalue(), "application/x-npz")
    page.goto(f"{service.url}/#/evaluate?dataset=partly")

    expect(page.get_by_label("Labelled images")).to_have_attribute("max", "12")
    expect(page.get_by_label("copies by TrivialAugment")).to_be_visible()
    expect(page.get_by_label("spread_pixels")).to_have_count(0)

    page.goto(f"{service.url}/#/datasets?name=partly")
    expect(page.get_by_text("20 of them have no label.")).to_be_visible()
    service.call("DELETE", "/v1/datasets/partly")


def test_a_name_that_the_service_would_refuse_is_explained_in_its_words(
    page: Page, service: Service, tmp_path: Path
) -> None:
    page.goto(f"{service.url}/#/datasets")
    page.get_by_label("Files").set_input_files(_file(tmp_path))
    name = page.get_by_label("Name")
    name.fill("my images")

    assert "letters" in name.evaluate("input => input.validationMessage")

    name.fill("my-images")

    expect(name).to_have_js_property("validationMessage", "")


@pytest.mark.parametrize(
    ("view", "path", "labels"),
    [
        (
            "train?dataset=mnist",
            "/v1/jobs/train",
            {
                "Latent dimensions": "latent_dim",
                "beta": "beta",
                "Seconds at most": "max_seconds",
                "Epochs at most": "epochs",
                "Patience": "patience",
                "Learning rate": "learning_rate",
                "Random seed": "seed",
            },
        ),
        ("evaluate", "/v1/jobs/evaluate", {"Draws": "draws", "New images of each (k)": "k"}),
        ("playground", "/v1/models/{model}/augment", {"alpha": "alpha", "k (images each)": "k", "Random seed": "seed"}),
    ],
)
def test_defaults_and_bounds_are_those_that_the_service_declares(
    page: Page, service: Service, view: str, path: str, labels: dict[str, str]
) -> None:
    declared = page.request.get(f"{service.url}/openapi.json").json()
    page.goto(f"{service.url}/#/{view}")
    for summary in page.get_by_text("More options").all():
        summary.click()

    for label, name in labels.items():
        schema = _declared(declared, path, name)
        control = page.get_by_label(label)
        automatic = "default" not in schema  # the contract leaves a default of null out
        expect(control).to_have_value("" if automatic else f"{schema['default']:g}")
        if automatic:
            expect(control).to_have_attribute("placeholder", "automatic")
            expect(control).to_have_js_property("required", False)
        number = schema["anyOf"][0] if automatic else schema
        expect(control).to_have_attribute("min", f"{number.get('minimum', number.get('exclusiveMinimum')):g}")


def test_the_options_are_explained_in_the_words_of_the_service(page: Page, service: Service) -> None:
    declared = page.request.get(f"{service.url}/openapi.json").json()
    augment = declared["paths"]["/v1/models/{model}/augment"]["post"]["parameters"]
    meanings = {parameter["name"]: parameter["schema"].get("description") for parameter in augment}
    page.goto(service.url)

    for name in ("alpha", "k", "decode", "neighbours"):
        label = name if name in ("alpha", "k") else name.capitalize()
        shown = page.get_by_text(meanings[name].replace("`", ""))
        expect(shown).to_be_hidden()
        page.get_by_role("button", name=f"What {label} means").click()
        expect(shown).to_be_visible()


def test_a_folder_is_packed_into_a_zip_that_is_the_same_each_time(page: Page, service: Service) -> None:
    page.goto(service.url)
    pack = """async () => {
      const { zip } = await import("/static/js/zip.js");
      const { base64 } = await import("/static/js/pictures.js");
      const files = ["é/1.png", "é/2.png", "b/3.png"].map((path) => ({ path, file: new Blob([path]) }));
      return base64(await zip(files));
    }"""

    packed = base64.b64decode(page.evaluate(pack))

    assert base64.b64decode(page.evaluate(pack)) == packed
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            path: path for path in ("é/1.png", "é/2.png", "b/3.png")
        }


def test_a_folder_of_more_files_than_a_zip_can_hold_is_refused_with_advice(page: Page, service: Service) -> None:
    page.goto(service.url)
    message = page.evaluate("""async () => {
      const { zip } = await import("/static/js/zip.js");
      const file = new Blob();
      return zip(Array.from({ length: 70_000 }, () => ({ path: "1.png", file }))).catch((error) => error.message);
    }""")

    assert message.startswith("The folder holds 70,000 images, and one upload can hold 65,535.")


def test_the_map_shows_the_image_of_a_dot_and_new_ones_over_it(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/map")
    expect(page.locator(".new")).to_have_count(18)
    panel = page.get_by_role("complementary")

    page.get_by_role("img", name=re.compile("^Map of")).press("ArrowRight")
    expect(panel).to_contain_text("train")
    page.locator(".new path").first.hover(force=True)

    expect(panel).to_contain_text("interpolation")


def test_the_map_takes_another_projection_where_the_model_has_one(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/map")
    expect(page.locator(".new")).to_have_count(18)

    page.get_by_label("Projection").select_option("umap")

    expect(page.locator(".map circle[data-i]")).to_have_count(100)
    expect(page.locator(".new")).to_have_count(18)
    expect(page.get_by_text("the distance between clusters means nothing")).to_be_visible()


def test_a_job_is_cancelled_after_a_question(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/train?dataset=digits")
    page.get_by_label("Epochs at most").fill("10000")
    page.get_by_text("More options").click()
    page.get_by_label("Patience").fill("10000")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stop it").click()

    expect(page.get_by_role("region", name="The job")).to_contain_text("cancelled")


def test_a_model_is_deleted_after_a_question_and_that_can_be_undone(page: Page, service: Service) -> None:
    service.job("train", {"dataset": "digits", "name": "doomed", "epochs": 1})
    page.goto(f"{service.url}/#/models")
    page.get_by_label("Search").fill("doom")
    page.get_by_role("button", name="Delete doomed").click()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("link", name="doomed", exact=True)).to_be_visible()

    page.get_by_role("button", name="Delete doomed").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="doomed", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="doomed", exact=True)).to_be_visible()

    page.get_by_label("Choose doomed").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    with page.expect_response(re.compile("/v1/models/doomed$")):
        page.get_by_role("button", name="OK").click()

    expect(page.get_by_role("link", name="doomed", exact=True)).to_have_count(0)
    assert service.find("/v1/models/doomed") is None


def test_the_reference_sends_what_is_typed_in(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    page.locator("#describe_model > summary").click()
    trial = page.get_by_role("form", name="Try GET /v1/models/{model}", exact=True)
    trial.get_by_label("model").fill("small")
    trial.get_by_role("button", name="Send").click()

    expect(trial.locator("pre")).to_contain_text('"name": "small"')

    trial.get_by_label("model").fill("gone")
    trial.get_by_role("button", name="Send").click()

    expect(trial.locator("pre")).to_contain_text("not_found")  # as programs see it, not in the page's words


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
    seven = page.get_by_role("region", name="7", exact=True)
    expect(seven.locator("img")).to_have_count(12)
    assert seven.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8

    with page.expect_download() as images:
        page.get_by_role("button", name=re.compile("^Download all")).click()

    assert re.fullmatch("digits-interpolation-[0-9a-f]{8}.zip", images.value.suggested_filename)
    assert len(_unzipped(Path(images.value.path()).read_bytes())) > 1000
    expect(page.get_by_text("of the new images are near-copies of their sources").first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Show the quality of augment job")).click()
    picture = page.get_by_role("img", name="The best, the worst and the most copied new images")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 600
    page.get_by_role("button", name="Close").click()
    expect(picture).to_have_count(0)


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
        page.get_by_label("Your key for this server").fill("wrong")
        page.get_by_role("button", name="Use").click()
        expect(page.get_by_text("The server does not know this key.")).to_be_visible()
        page.get_by_label("Your key for this server").fill("secret")
        page.get_by_role("button", name="Use").click()
        expect(page.get_by_role("heading", name="Start with your images")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Start with your images")).to_be_visible()
        context.close()
    assert not faults
