"""Images in, images out, over real HTTP: every form both ways, and the numbers behind them."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
from PIL import Image

from service.api.http import media
from tests.api import services
from tests.api.bodies import (
    HEIGHT,
    NPY,
    NPZ,
    PNG,
    TINY,
    WIDTH,
    ZIP,
    arrays,
    base64_png,
    npy,
    npz,
    pictures,
    png,
    post,
    zipped,
)
from tests.api.services import Home


def augment(api: httpx.Client, images: np.ndarray, labels: np.ndarray | None = None, **query: Any) -> dict[str, Any]:
    given = {"images": images} if labels is None else {"images": images, "labels": labels}
    return arrays(post(api, f"{TINY}/augment", npz(**given), NPZ, **query))


def test_every_request_form_gives_the_same_images(api: httpx.Client) -> None:
    images, labels = pictures(4), ["a", "a", "a", "a"]
    options: dict[str, Any] = {"k": 2, "alpha": 0.25, "seed": 7}
    multipart = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(images)]

    answers = [
        post(api, f"{TINY}/augment", npz(images=images, labels=np.array(labels)), NPZ, **options),
        post(api, f"{TINY}/augment", npy(images), NPY, **options),
        post(api, f"{TINY}/augment", npy(images[..., None]), NPY, **options),
        post(api, f"{TINY}/augment", npy(images.astype(np.float32) / 255), NPY, **options),
        post(api, f"{TINY}/augment", zipped(images, labels), ZIP, **options),
        post(api, f"{TINY}/augment", zipped(images, None), ZIP, **options),
        api.post(
            f"{TINY}/augment",
            json={"images": [base64_png(image) for image in images], "labels": labels, **options},
            headers={"Accept": NPZ},
        ),
        api.post(
            f"{TINY}/augment",
            files=multipart,
            data={"labels": json.dumps(labels), **{name: str(value) for name, value in options.items()}},
            headers={"Accept": NPZ},
        ),
    ]

    made = [arrays(answer) for answer in answers]
    assert made[0]["images"].shape == (8, HEIGHT, WIDTH)
    for other in made[1:]:
        assert np.array_equal(other["images"], made[0]["images"])
    assert [("labels" in each) for each in made] == [True, False, False, False, True, False, True, True]


def test_every_answer_form_gives_the_same_images(api: httpx.Client) -> None:
    images = pictures(4)
    body = npz(images=images, labels=np.array([5, 5, 9, 9]))

    def ask(accept: str) -> httpx.Response:
        answer = post(api, f"{TINY}/augment", body, NPZ, accept, k=1)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == accept
        return answer

    made = arrays(ask(NPZ))
    document = ask("application/json").json()
    from_json = [np.array(Image.open(io.BytesIO(base64.b64decode(text)))) for text in document["images"]]
    with zipfile.ZipFile(io.BytesIO(ask(ZIP).content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        from_zip = [np.array(Image.open(io.BytesIO(archive.read(row["file"])))) for row in rows]
    sheet = np.array(Image.open(io.BytesIO(ask(PNG).content)))

    plain = ask(NPY)
    assert plain.headers["Augment-Decode"] == str(made["decode"]) in ("residual", "reconstruction")
    assert np.array_equal(np.load(io.BytesIO(plain.content)), made["images"])
    assert np.array_equal(from_json, made["images"])
    assert np.array_equal(from_zip, made["images"])
    assert document["labels"] == made["labels"].tolist() == [5, 5, 9, 9]
    assert document["source"] == made["source"].tolist() == [0, 1, 2, 3]
    assert document["neighbour"] == made["neighbour"].tolist() == [1, 0, 3, 2]
    assert [row["label"] for row in rows] == ["5", "5", "9", "9"]
    assert {row["file"].split("/")[0] for row in rows} == {"5", "9"}
    assert sheet.shape[0] > sheet.shape[1]  # four rows of a source and one child


def test_asking_for_poor_reconstructions_is_advised_against(api: httpx.Client, home: Home) -> None:
    services.save_model(home.store, "blurred", 12, 10, 1, mse=0.02)
    body = npy(pictures(4))

    asked = post(api, "/v1/models/blurred/augment", body, NPY, NPZ, k=1, decode="reconstruction")
    by_default = post(api, "/v1/models/blurred/augment", body, NPY, NPZ, k=1)

    assert asked.headers["Augment-Advice"].startswith("Do not train on this model's own pictures")
    assert by_default.headers["Augment-Decode"] == "residual"
    assert "Augment-Advice" not in by_default.headers


def test_provenance_says_how_each_image_was_made(api: httpx.Client) -> None:
    answer = api.post(
        f"{TINY}/augment",
        json={
            "images": [base64_png(image) for image in pictures(3)],
            "method": "noise",
            "copies": 2,
            "seed": 2**63 - 1,
        },
    )

    document = answer.json()
    embedded = Image.open(io.BytesIO(base64.b64decode(document["images"][3]))).text  # type: ignore[attr-defined]
    assert json.loads(embedded["latentaug"]) == document["provenance"][3]
    assert document["provenance"][3] == {
        "source": 1,
        "neighbour": -1,
        "method": "noise",
        "alpha": 0.5,
        "k": 3,
        "copies": 2,
        "neighbours": "batch",
        "decode": "reconstruction",
        "seed": 2**63 - 1,
        "model": "tiny",
        "version": "1" * 32,
    }


def test_children_stand_in_source_order_with_the_label_of_their_source(api: httpx.Client) -> None:
    labels = np.array([7, 3, 7, 3, 7], np.uint8)

    made = augment(api, pictures(5), labels, k=1)

    assert made["source"].tolist() == [0, 1, 2, 3, 4]
    assert made["labels"].dtype == np.uint8
    assert made["labels"].tolist() == labels.tolist()
    assert np.array_equal(labels[made["neighbour"]], labels[made["source"]])


def test_the_same_request_gives_the_same_bytes_and_another_seed_others(api: httpx.Client) -> None:
    body = npy(pictures(5))
    ask = [post(api, f"{TINY}/augment", body, NPY, method="noise", alpha=2, seed=seed).content for seed in (1, 1, 2)]

    assert ask[0] == ask[1]
    assert ask[0] != ask[2]


def test_the_defaults_are_interpolation_halfway_to_three_neighbours(api: httpx.Client) -> None:
    images = pictures(5)
    explicit: dict[str, Any] = {
        "method": "interpolation",
        "alpha": 0.5,
        "k": 3,
        "neighbours": "batch",
        "decode": "reconstruction",
    }

    assert np.array_equal(augment(api, images)["images"], augment(api, images, seed=0, **explicit)["images"])


def test_interpolation_is_what_encode_and_decode_make_it(api: httpx.Client) -> None:
    images = pictures(4)
    latents = arrays(post(api, f"{TINY}/encode", npy(images), NPY))["latents"]

    made = augment(api, images, k=2, alpha=0.25)

    z, near = latents[made["source"]], latents[made["neighbour"]]
    expected = np.load(io.BytesIO(post(api, f"{TINY}/decode", npy(z + 0.25 * (near - z)), NPY, NPY).content))
    assert np.abs(expected.astype(int) - made["images"].astype(int)).max() <= 1


def test_neighbours_from_the_data_set_are_named_by_its_rows_and_labels(api: httpx.Client) -> None:
    made = augment(api, pictures(2), np.array(["dog", "cat"]), neighbours="dataset", k=3)

    assert sorted(made["neighbour"][:3].tolist()) == [13, 14, 15]
    assert sorted(made["neighbour"][3:].tolist()) == [10, 11, 12]


def test_residual_keeps_the_source_where_nothing_is_altered(api: httpx.Client) -> None:
    images = pictures(3)

    made = augment(api, images, method="noise", alpha=0, copies=1, decode="residual")

    assert np.array_equal(made["images"], images)


def test_encode_gives_latents_in_every_form(api: httpx.Client) -> None:
    images = pictures(3)
    body = npz(images=images, labels=np.array([1, 2, 3]))

    found = arrays(post(api, f"{TINY}/encode", body, NPZ))
    document = post(api, f"{TINY}/encode", body, NPZ, "application/json").json()
    latents = np.load(io.BytesIO(post(api, f"{TINY}/encode", body, NPZ, NPY).content))

    assert latents.dtype == np.float32
    assert latents.shape == found["log_variances"].shape == (3, 4)
    assert np.array_equal(np.array(document["latents"], np.float32), latents)
    assert np.array_equal(found["latents"], latents)
    assert document["labels"] == found["labels"].tolist() == [1, 2, 3]
    reconstruction = np.load(io.BytesIO(post(api, f"{TINY}/decode", npy(latents), NPY, NPY).content))
    error = ((reconstruction / 255.0 - images / 255.0) ** 2).mean(axis=(1, 2))
    assert np.allclose(found["reconstruction_error"], error, atol=5e-3)


def test_decode_reads_latents_in_every_form(api: httpx.Client) -> None:
    latents = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    answers = [
        post(api, f"{TINY}/decode", npy(latents), NPY, NPY),
        post(api, f"{TINY}/decode", npz(latents=latents), NPZ, NPY),
        api.post(f"{TINY}/decode", json={"latents": latents.tolist()}, headers={"Accept": NPY}),
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert np.load(io.BytesIO(answers[0].content)).shape == (3, HEIGHT, WIDTH)


def test_an_encode_answer_can_be_sent_on_to_decode(api: httpx.Client) -> None:
    encoded = post(api, f"{TINY}/encode", npy(pictures(2)), NPY).content

    assert post(api, f"{TINY}/decode", encoded, NPZ).status_code == 200


def test_a_strip_runs_from_one_reconstruction_to_the_other(api: httpx.Client) -> None:
    images = pictures(2)
    latents = np.load(io.BytesIO(post(api, f"{TINY}/encode", npy(images), NPY, NPY).content))
    ends = np.load(io.BytesIO(post(api, f"{TINY}/decode", npy(latents), NPY, NPY).content))

    strip = np.load(io.BytesIO(post(api, f"{TINY}/interpolate", npy(images), NPY, NPY, steps=5).content))
    sheet = Image.open(io.BytesIO(post(api, f"{TINY}/interpolate", npy(images), NPY, PNG).content))

    assert strip.shape == (5, HEIGHT, WIDTH)
    assert np.array_equal(strip[[0, -1]], ends)
    assert sheet.width > 4 * sheet.height  # eight in one row


def test_a_residual_strip_runs_from_one_image_to_the_other(api: httpx.Client) -> None:
    images = pictures(2)
    body = npy(images)

    plain = np.load(io.BytesIO(post(api, f"{TINY}/interpolate", body, NPY, NPY, steps=5).content))
    sharp = np.load(io.BytesIO(post(api, f"{TINY}/interpolate", body, NPY, NPY, steps=5, decode="residual").content))

    lost = images.astype(float) - plain[[0, -1]]
    assert np.array_equal(sharp[[0, -1]], images)
    assert np.array_equal(sharp[2], np.rint(plain[2] + lost.mean(axis=0)).clip(0, 255))


def test_colour_is_converted_to_what_the_model_takes(api: httpx.Client) -> None:
    grey = pictures(2, 8, 8)

    found = post(api, "/v1/models/colour/augment", npy(grey), NPY, NPY, k=1)

    assert np.load(io.BytesIO(found.content)).shape == (2, 8, 8, 3)


def test_other_sizes_are_resized_only_on_request(api: httpx.Client) -> None:
    body = png(pictures(1, 20, 30)[0])

    refused = post(api, f"{TINY}/encode", body, PNG)
    resized = post(api, f"{TINY}/encode", body, PNG, resize="true")

    assert refused.status_code == 422
    assert "12x10" in refused.json()["detail"]
    assert "resize=true" in refused.json()["detail"]
    assert arrays(resized)["latents"].shape == (1, 4)


def test_a_contact_sheet_takes_one_png(api: httpx.Client) -> None:
    answer = post(api, f"{TINY}/augment", png(pictures(1)[0]), PNG, PNG, method="noise")

    assert Image.open(io.BytesIO(answer.content)).format == "PNG"


def _warned(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    told: list[str] = json.loads(answer.headers.get("Image-Warnings", "[]"))
    return told


def test_what_is_doubtful_about_images_is_said_in_a_header(api: httpx.Client) -> None:
    images, query = pictures(3), {"method": "noise", "k": 1}
    deep = zipped(np.arange(240, dtype=np.uint16).reshape(2, HEIGHT, WIDTH) * 17, None)

    def told(body: bytes, form: str, **more: Any) -> str:
        return " ".join(_warned(post(api, f"{TINY}/augment", body, form, **query, **more)))

    assert told(npy(images), NPY) == told(npz(images=images), NPZ) == told(zipped(images, None), ZIP) == ""
    assert "No value of any image is above 16" in told(npy(images // 16 + 1), NPY)
    assert "channels first" in told(npy(pictures(3, 30, 40)), NPY, resize="true")
    assert told(npy(pictures(4, 30, 40)), NPY, resize="true") == ""
    assert "values from 0 to 4095 became 0 to 255 (the range" in told(deep, ZIP)
    assert "values from 0 to 65535 became 0 to 255 (as asked)" in told(deep, ZIP, bits=16)


def test_it_is_in_the_answer_too_where_that_has_room(api: httpx.Client) -> None:
    dark, query = pictures(3) // 16 + 1, {"method": "noise", "k": 1}

    as_arrays = arrays(post(api, f"{TINY}/augment", npy(dark), NPY, NPZ, **query))
    as_json = post(api, f"{TINY}/augment", npy(dark), NPY, "application/json", **query).json()

    assert as_arrays["warnings"].tolist() == as_json["warnings"]
    assert "all are nearly black" in as_json["warnings"][0]
    assert "warnings" not in arrays(post(api, f"{TINY}/augment", npy(pictures(3)), NPY, NPZ, **query))
    assert post(api, f"{TINY}/encode", npz(**as_arrays), NPZ).status_code == 200, "an answer can be sent on"


def test_masks_of_0_and_1_are_refused_with_what_to_do(api: httpx.Client) -> None:
    mask = pictures(4) > 100

    refused = post(api, f"{TINY}/encode", npy(mask.astype(np.uint8)), NPY)
    taken = [post(api, f"{TINY}/encode", npy(images), NPY) for images in (mask, mask * np.uint8(255))]

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert taken[0].content == taken[1].content


def test_every_file_that_cannot_be_read_is_named_at_once(api: httpx.Client) -> None:
    images = [base64_png(pictures(1)[0]), base64.b64encode(b"x").decode(), base64.b64encode(b"").decode()]

    refused = api.post(f"{TINY}/encode", json={"images": images}).json()

    assert [error["loc"] for error in refused["errors"]] == ["images.1", "images.2"]
    assert "2 images cannot be read: image 1: no image of PNG" in refused["detail"]

    files = [("images", ("cat.png", png(pictures(1)[0]))), ("images", ("dog.png", b"x"))]
    refused = api.post(f"{TINY}/encode", files=files).json()
    assert [error["loc"] for error in refused["errors"]] == ["images.1"]
    assert "1 image cannot be read: dog.png: no image of PNG" in refused["detail"]


def test_a_file_of_another_size_is_named(api: httpx.Client) -> None:
    one, other = pictures(1)[0], pictures(1, HEIGHT - 1)[0]
    form = [("images", ("0.png", png(one))), ("images", ("1.png", png(other)))]

    for refused in (
        api.post(f"{TINY}/encode", files=form),
        post(api, f"{TINY}/encode", zipped([one, other], None), ZIP, media.JSON),
    ):
        assert refused.status_code == 422
        assert refused.json()["detail"].startswith("1.png is 11x10, but 12x10 (height x width) is needed")


def test_a_label_that_reads_like_a_missing_one_is_pointed_out(api: httpx.Client) -> None:
    answer = post(
        api,
        f"{TINY}/augment",
        npz(images=pictures(8), labels=np.array(["nan", "cat"] * 4)),
        NPZ,
        "application/json",
        k=1,
    )

    assert "There is a class named 'nan'" in answer.json()["warnings"][0]


def test_labels_come_back_as_they_were_or_are_told_how_to_be_sent(api: httpx.Client) -> None:
    images = pictures(8)

    for labels in (np.array([True, False] * 4), np.arange(8)[:, None] % 2, np.array(["a", "b"] * 4)):
        back = augment(api, images, labels, k=1)["labels"]
        assert (back.dtype, back.tolist()) == (labels.dtype, labels.ravel().tolist())
    for labels, advice in (
        (np.eye(2, dtype=int)[[0, 1] * 4], "labels.argmax(axis=1)"),
        (np.array([b"a"] * 8), "astype(str)"),
    ):
        refused = post(api, f"{TINY}/augment", npz(images=images, labels=labels), NPZ)
        assert advice in refused.json()["detail"]
    pickled = npz(images=images, labels=np.array(["a"] * 8, object))
    assert "labels.astype(str)" in post(api, f"{TINY}/augment", pickled, NPZ).json()["detail"]


def test_an_npz_with_other_names_is_told_which_are_read(api: httpx.Client) -> None:
    for named in ({"x": pictures(4)}, {"arr_0": pictures(4)}, {"images": pictures(4), "label": np.arange(4)}):
        detail = post(api, f"{TINY}/augment", npz(**named), NPZ).json()["detail"]
        assert "name the images 'images' and their labels 'labels'" in detail


def test_base64_may_be_a_data_url_or_have_line_breaks(api: httpx.Client) -> None:
    text = base64_png(pictures(1)[0])
    spelled = [text, f"data:image/png;base64,{text}", base64.encodebytes(base64.b64decode(text)).decode()]

    latents = api.post(f"{TINY}/encode", json={"images": spelled}).json()["latents"]

    assert latents[0] == latents[1] == latents[2]
