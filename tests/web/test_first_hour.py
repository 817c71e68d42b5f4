"""What a person meets in the first hour, with colour photos of which some have no label."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from examples import photos
from examples.running import Service
from tests.web.conftest import watched

PHONE = {"width": 390, "height": 844}
UPLOAD = re.compile(r"/v1/datasets\?")
PLAYGROUND = "#/playground?model=photos-vae"


@pytest.fixture(scope="module")
def service(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with the data set `photos`, of which some have no label, and a blurry model of it."""
    folder = photos.write(tmp_path_factory.mktemp("photos"), each=30, unlabelled=20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.jpg")):
            archive.write(path, path.relative_to(folder))
    service.call("POST", "/v1/datasets?name=photos&size=32x32", packed.getvalue(), "application/zip")
    service.job("train", {"dataset": "photos", "name": "photos-vae", "epochs": 2})
    yield service
    service.call("DELETE", "/v1/models/photos-vae")
    service.call("DELETE", "/v1/datasets/photos")


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Iterator[Path]:
    """A folder as people have it, called like a data set that is there. What is uploaded of it is deleted."""
    folder = photos.write(tmp_path / "photos", each=6, unlabelled=4)
    (folder / "README.md").write_text("My photos")
    for i in range(10):
        (folder / "sky" / f"note-{i}.txt").write_text("Clouds")
    (folder / "roof" / "torn.jpg").write_bytes((folder / "roof" / "0.jpg").read_bytes()[:100])
    (folder / "roof" / "empty.png").write_bytes(b"")
    (folder / "sky" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / ".trash").mkdir()
    Image.new("RGB", (64, 64)).save(folder / ".trash" / "old.png")
    (folder / "tower").mkdir()
    Image.effect_noise((1200, 900), 60).convert("RGB").save(folder / "tower" / "large.jpg")
    yield folder
    if service.find("/v1/datasets/photos-2"):
        service.call("DELETE", "/v1/datasets/photos-2")


def _look(page: Page, service: Service, folder: Path) -> None:
    page.goto(f"{service.url}/#/datasets")
    page.get_by_label("Folder").set_input_files(folder)
    expect(page.get_by_role("button", name=re.compile("^Upload"))).to_be_visible()


def test_an_upload_is_looked_at_before_anything_is_sent(page: Page, service: Service, folder: Path) -> None:
    _look(page, service, folder)
    form = page.get_by_role("form", name="Upload a data set")

    for said in (
        "23 images in 4 classes: blossom 6, roof 6, sky 6, tower 1. 4 have no label.",
        "3 files cannot be read as images and will be left out: ",
        "sky/phone.heic",
        "roof/torn.jpg",
        "roof/empty.png",
        "12 files will be left out, because they are hidden or no images: ",
        "README.md",
        ".trash/old.png",
        "One class has fewer than 5 images: tower (1).",
        "to 900 \N{MULTIPLICATION SIGN} 1200 pixels (height",
        "One image is large and will be sent smaller",
    ):
        expect(form).to_contain_text(said)
    expect(form.get_by_text("note-9.txt")).to_be_hidden()
    form.get_by_text("The others").click()
    expect(form.get_by_text("note-9.txt")).to_be_visible()
    expect(page.get_by_role("button", name="Upload the 23 images")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("photos-2")  # for `photos` is taken
    page.get_by_label("Name").fill("photos")
    expect(page.get_by_text("That name is taken. photos-2 is free.")).to_be_visible()
    assert Axe().run(page).violations_count == 0


def test_what_was_looked_at_is_what_is_kept(page: Page, service: Service, folder: Path) -> None:
    _look(page, service, folder)
    with page.expect_request(UPLOAD) as sent:
        page.get_by_role("button", name="Upload the 23 images").click()
    expect(page.get_by_text("photos-2 is uploaded.")).to_be_visible()

    assert sent.value.sizes()["requestBodySize"] < (folder / "tower" / "large.jpg").stat().st_size / 2
    kept = service.json("GET", "/v1/datasets/photos-2")
    assert (kept["images"], kept["unlabelled"], kept["classes"]) == (23, 4, ["blossom", "roof", "sky", "tower"])
    expect(page.get_by_role("link", name="Train on photos-2").first).to_be_visible()
    expect(page.get_by_role("cell", name="photos-2", exact=True)).to_be_visible()


def test_images_of_16_bits_are_asked_about(page: Page, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    for i in range(8):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 900, (16, 16), np.uint16)).save(path)
    plain = photos.write(tmp_path / "plain", each=2, unlabelled=0)
    asked = page.get_by_label("Bits of the 16-bit images")
    _look(page, service, plain)
    expect(asked).to_be_hidden()
    page.get_by_label("Folder").set_input_files(folder)
    expect(page.get_by_label("Name")).to_have_value("scans")
    asked.select_option("12")
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_text("scans is uploaded.")).to_be_visible()
    expect(page.get_by_text("values from 0 to 4095 became 0 to 255 (as asked)")).to_be_visible()
    service.call("DELETE", "/v1/datasets/scans")


def test_large_images_are_made_smaller_unless_that_would_hide_something(
    page: Page, service: Service, tmp_path: Path
) -> None:
    noise = Image.effect_noise((900, 700), 60)
    noise.save(tmp_path / "whole.jpg", quality=95)
    noise.save(tmp_path / "whole.png")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "torn.jpg").write_bytes(content[: len(content) * 2 // 3])  # a browser shows its upper part
    deep = np.asarray(noise).astype(np.uint16) * 3  # 10 bits of 16
    Image.fromarray(deep).save(tmp_path / "deep.png")
    page.goto(f"{service.url}/#/jobs")
    look = """async (files) => {
      const { look } = await import("/static/js/look.js");
      const bytes = (content) => Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
      const given = new Map(files.map(([path, content]) => [path, new Blob([bytes(content)])]));
      const { images } = await look([...given].map(([path, file]) => ({ path, file })), () => {});
      return Object.fromEntries(images.map(({ path, file }) => [path, file !== given.get(path)]));
    }"""

    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in sorted(tmp_path.iterdir())]
    smaller = page.evaluate(look, files)

    assert smaller.pop("torn.jpg", False) is False
    assert smaller == {"deep.png": False, "whole.jpg": True, "whole.png": True}


def test_a_zip_with_broken_images_is_taken_without_them_once_they_were_named(
    page: Page, service: Service, folder: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "photos-2.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    page.goto(f"{service.url}/#/datasets")
    page.get_by_label("Files").set_input_files(tmp_path / "photos-2.zip")
    page.get_by_role("button", name="Upload").click()
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("3 images cannot be read")
    expect(problem).to_contain_text("save such images anew, or go on without them.")
    for file in ("roof/empty.png", "roof/torn.jpg", "sky/phone.heic"):
        expect(problem).to_contain_text(file)
    page.get_by_role("button", name="Go on without what cannot be read").click()
    expect(problem).to_contain_text("resize all to one")  # a size is proposed, and filled in
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Go on without what cannot be read").click()

    expect(page.get_by_text("photos-2 is uploaded.")).to_be_visible()
    expect(page.get_by_text("Left out, as they cannot be read: ").first).to_contain_text("sky/phone.heic")


def test_an_upload_can_be_cancelled(page: Page, service: Service, folder: Path) -> None:
    page.route(UPLOAD, lambda _: None)  # no answer comes
    _look(page, service, folder)
    page.get_by_role("button", name="Upload the 23 images").click()
    expect(page.get_by_text(re.compile(r"\d MB"))).to_be_visible()
    page.get_by_role("button", name="Cancel the upload").click()

    expect(page.get_by_text("The upload was cancelled, and nothing of it was kept.")).to_be_visible()
    assert service.find("/v1/datasets/photos-2") is None


def test_an_upload_goes_on_elsewhere_and_takes_nobody_away(page: Page, service: Service, folder: Path) -> None:
    held: list[Route] = []
    page.route(UPLOAD, lambda route: held.append(route))  # noqa: PLW0108 (Playwright marks the function)
    _look(page, service, folder)
    page.get_by_role("button", name="Upload the 23 images").click()
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    held[0].continue_()

    expect(page.get_by_text("The upload of photos-2 has ended.")).to_be_visible()
    assert page.url.endswith("/#/jobs")
    page.get_by_role("link", name="See what came of it").click()
    expect(page.get_by_text("photos-2 is uploaded.")).to_be_visible()


def test_new_images_and_strips_are_sharp_without_being_asked(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/{PLAYGROUND}")
    expect(page.get_by_label("Decode")).to_have_value("auto")
    page.get_by_role("button", name="new image 1 from source 1").hover()
    expect(page.get_by_role("complementary")).to_contain_text("residual")
    page.get_by_role("button", name=re.compile("^source 1")).click()
    page.get_by_role("button", name=re.compile("^source 2")).click()

    strip = page.get_by_role("region", name="From one image to the other").locator("img")
    expect(strip).to_have_count(8)
    sources = page.locator(".origin img")
    for source, end in ((0, 0), (1, 7)):  # a reconstruction would be blurred
        assert _greys(page, strip.nth(end).get_attribute("src")) == _greys(
            page, sources.nth(source).get_attribute("src")
        )


def _greys(page: Page, src: str | None) -> list[int]:
    pixels: list[int] = page.evaluate(
        """async (src) => {
          const image = new Image();
          image.src = src;
          await image.decode();
          const canvas = new OffscreenCanvas(image.width, image.height);
          canvas.getContext("2d").drawImage(image, 0, 0);
          return [...canvas.getContext("2d").getImageData(0, 0, image.width, image.height).data];
        }""",
        src,
    )
    return pixels


def test_an_image_without_a_label_leaves_the_others_theirs(page: Page, service: Service, folder: Path) -> None:
    page.goto(f"{service.url}/{PLAYGROUND}")
    expect(page.locator(".pair")).to_have_count(6)
    with page.expect_request(re.compile("/augment$")) as asked:
        page.get_by_label("Your own images").set_input_files(folder / "sky" / "0.jpg")

    labels = asked.value.post_data_json["labels"]
    assert labels[-1] is None
    assert set(labels[:-1]) <= {"blossom", "roof", "sky"}

    page.get_by_role("button", name="Random images").click()
    expect(page.locator(".pair")).to_have_count(7)  # the person's own stays
    expect(page.locator(".pair").last.get_by_role("button").first).to_have_accessible_name("source 7")


def test_files_that_are_no_images_are_named_and_the_others_taken(page: Page, service: Service, folder: Path) -> None:
    page.goto(f"{service.url}/{PLAYGROUND}")
    expect(page.locator(".pair")).to_have_count(6)
    mine = [folder / "roof" / "torn.jpg", folder / "sky" / "0.jpg", folder / "README.md"]
    page.get_by_label("Your own images").set_input_files(mine)

    expect(page.get_by_role("alert")).to_contain_text("cannot read as images: torn.jpg, README.md.")
    expect(page.locator(".pair")).to_have_count(7)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("playground?model=gone", "There is no model called gone."),
        ("map?model=gone", "There is no model called gone."),
        ("evaluate?model=gone", "There is no model called gone."),
        ("models?compare=gone,small", "There is no model called gone."),
        ("evaluate?dataset=digits&model=photos-vae", "was trained on photos, so it cannot be evaluated on digits"),
        ("train?dataset=gone", "There is no such data set here: gone."),
        ("evaluate?dataset=gone", "There is no such data set here: gone."),
        ("recommend?dataset=gone", "There is no such data set here: gone."),
        ("datasets?name=gone", "There is no such data set here: gone."),
    ],
)
def test_what_an_address_names_is_shown_or_said_to_be_missing(
    page: Page, service: Service, view: str, said: str
) -> None:
    page.goto(f"{service.url}/#/{view}")

    expect(page.get_by_role("alert")).to_contain_text(said)


@pytest.mark.parametrize(
    ("view", "seen"),
    [
        ("map?model=photos-vae", "no label"),
        ("train?dataset=photos", "20 of them have no label."),
        ("recommend?dataset=photos", "labelled, 20 not"),
        ("evaluate?model=photos-vae", "Would the new images make a classifier better?"),
        ("datasets?name=photos", "32 \N{MULTIPLICATION SIGN} 32 pixels (height"),
    ],
)
def test_each_view_takes_photos_of_which_some_have_no_label(page: Page, service: Service, view: str, seen: str) -> None:
    page.goto(f"{service.url}/#/{view}")

    expect(page.get_by_role("main")).to_contain_text(seen)
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_errors_are_in_the_words_of_the_page(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/jobs")
    told = """async (detail) => {
      const { explained } = await import("/static/js/problems.js");
      return explained({ code: "invalid_input", detail });
    }"""

    for detail in (
        "the images have 2 sizes (8x8, 9x9); give one for all, such as size=28x28",
        "no model is named 'a'; GET /v1/models lists the models",
        "decode=warp needs the neighbours' pixels; take neighbours=batch, or an augment job",
    ):
        words = page.evaluate(told, detail)
        assert not re.search(r"GET |/v1/|\w=\w", words), words


def test_a_data_set_that_models_need_is_not_deleted_without_naming_them(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/datasets")
    page.get_by_role("button", name="Delete photos", exact=True).click()

    expect(page.get_by_role("dialog")).to_contain_text("A model needs it")
    expect(page.get_by_role("dialog")).to_contain_text("photos-vae")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("link", name="photos", exact=True)).to_be_visible()


def test_the_address_of_the_playground_shows_the_same_images_to_others(
    browser: Browser, page: Page, service: Service
) -> None:
    page.goto(f"{service.url}/{PLAYGROUND}")
    expect(page.locator(".children img")).to_have_count(18)
    first = page.locator(".children img").first
    before = first.get_attribute("src") or ""
    page.get_by_label("Method").select_option("noise")
    expect(page).to_have_url(re.compile("method=noise.*rows="))
    expect(first).not_to_have_attribute("src", before)  # the page is drawn some time after its answer has come
    made = page.locator(".children img").evaluate_all("images => images.map((image) => image.src)")

    with browser.new_context() as other:
        theirs = other.new_page()
        theirs.goto(page.url)
        expect(theirs.locator(".children img")).to_have_count(18)
        expect(theirs.get_by_label("Method")).to_have_value("noise")
        assert theirs.locator(".children img").evaluate_all("images => images.map((image) => image.src)") == made


def test_the_address_of_a_form_keeps_what_was_chosen(page: Page, service: Service) -> None:
    for view, label, value in (("train?dataset=photos", "Epochs at most", "7"), ("evaluate", "Draws", "4")):
        page.goto(f"{service.url}/#/{view}")
        page.get_by_label(label).fill(value)
        page.get_by_label(label).blur()
        expect(page).to_have_url(re.compile(f"={value}(&|$)"))
        page.reload()

        expect(page.get_by_label(label)).to_have_value(value)


def test_jobs_are_seen_from_every_view(browser: Browser, service: Service) -> None:
    faults: list[str] = []
    with browser.new_context() as context, watched(context, faults) as page:
        # The browser of a test shows no notifications, and no test can hide its tab.
        page.add_init_script("""
          window.told = [];
          window.Notification = class { static permission = "granted"; constructor(_, { body }) { told.push(body); } };
          Object.defineProperty(document, "hidden", { get: () => true });
        """)
        job = service.json("POST", "/v1/jobs/train", {"dataset": "digits", "epochs": 9999, "patience": 9999})["id"]
        page.goto(f"{service.url}/#/models")
        expect(page.get_by_role("link", name="Jobs 1")).to_be_visible()
        expect(page).to_have_title(re.compile(r"^\d+ % · Models"))
        page.get_by_role("link", name="Jobs 1").click()
        page.get_by_label(f"Choose train {job[-8:]}").check()
        page.get_by_role("button", name="Cancel", exact=True).first.click()
        page.get_by_role("button", name="Stop").click()

        expect(page.get_by_text("The training on digits has been cancelled.")).to_be_visible()
        expect(page).to_have_title("Jobs · latentaug")
        assert page.evaluate("told") == ["The training on digits has been cancelled."]
        context.close()
    assert not faults


def test_models_are_compared_side_by_side(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/#/models")
    expect(page.get_by_role("row", name=re.compile("photos-vae.*residual, for photos.* dB"))).to_be_visible()
    page.get_by_label("Choose small").check()
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()
    page.get_by_label("Choose photos-vae").check()
    page.get_by_role("button", name="Compare").click()

    beside = page.get_by_role("region", name="Models side by side")
    expect(beside.get_by_role("row", name=re.compile("^Quality")).get_by_text(" dB")).to_have_count(2)
    expect(beside.get_by_role("row", name=re.compile("^Do its images help"))).to_contain_text("Not measured yet.")
    expect(beside.get_by_role("link", name="The report")).to_have_count(1)
    expect(beside.get_by_role("img", name=re.compile("after 2 epochs: .*photos-vae"))).to_be_visible()


def test_a_training_of_two_epochs_shows_both_and_which_way_is_better(page: Page, service: Service) -> None:
    job = service.json("GET", "/v1/models/photos-vae")["job_id"]
    page.goto(f"{service.url}/#/train?job={job}")
    plot = page.get_by_role("img", name=re.compile("not trained on, after 2 epochs"))

    expect(plot).to_contain_text("lower is better")
    for epoch in ("1", "2"):
        expect(plot.get_by_text(epoch, exact=True)).to_be_visible()


def test_on_a_phone_actions_are_within_reach_and_plots_legible(browser: Browser, service: Service) -> None:
    job = service.json("GET", "/v1/models/photos-vae")["job_id"]
    report = service.json("GET", "/v1/jobs?kind=evaluate&status=succeeded")["jobs"][-1]["id"]
    with browser.new_context(viewport={"width": PHONE["width"], "height": PHONE["height"]}) as context:
        page = context.new_page()
        page.goto(f"{service.url}/{PLAYGROUND}")
        expect(page.locator(".children img")).to_have_count(18)
        expect(page.get_by_role("button", name="Download zip")).to_be_in_viewport()
        page.goto(f"{service.url}/#/models")
        delete = page.get_by_role("button", name="Delete photos-vae").bounding_box()
        assert delete is not None
        assert delete["x"] + delete["width"] <= PHONE["width"]

        for view in (f"train?job={job}", f"evaluate?job={report}"):
            page.goto(f"{service.url}/#/{view}")
            # In the browser, because a plot is drawn anew with each epoch.
            page.wait_for_function(
                "text => document.querySelector(text)?.getBoundingClientRect().height >= 11",
                arg=f".view-{view.partition('?')[0]} .plot text",
            )
