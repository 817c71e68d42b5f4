"""Partly labelled images in, labels for all of them out, over real HTTP."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.datasets import digits
from tests.api.bodies import NPZ, PNG, TINY, ZIP, arrays, npz, pictures, png, post

LABEL = "/v1/models/eight/label"
DATA = digits.load()
IMAGES, TRUTH = DATA.images[:60, ..., 0], np.asarray(DATA.labels)[:60] % 2
GIVEN = np.where(np.arange(60) < 40, TRUTH, -1)
NAMES = [["even", "odd"][label] if label >= 0 else "" for label in GIVEN]
pytestmark = pytest.mark.usefixtures("empty_redis")


def base64_images() -> list[str]:
    return [base64.b64encode(png(image)).decode() for image in IMAGES]


def test_images_without_a_label_get_one(api: httpx.Client) -> None:
    found = arrays(post(api, LABEL, npz(images=IMAGES, labels=GIVEN), NPZ))

    assert set(found) == {"labels", "confidence", "kept"}
    assert found["labels"].dtype == GIVEN.dtype
    assert (found["labels"][:40] == GIVEN[:40]).all()
    assert (found["confidence"][:40] == 1).all()
    assert found["kept"].dtype == np.bool_
    assert found["kept"][:40].all()
    assert set(found["labels"][40:].tolist()) <= {-1, 0, 1}
    assert (found["labels"] == TRUTH)[40:].mean() >= 0.75
    assert (found["kept"][40:] == (found["confidence"][40:] > 0.5)).all()
    assert found["confidence"].dtype == np.float32


def test_every_form_gives_the_same_labels(api: httpx.Client) -> None:
    nulls = [name or None for name in NAMES]
    multipart = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(IMAGES)]
    first = arrays(post(api, LABEL, npz(images=IMAGES, labels=np.array(NAMES)), NPZ, seed=3))

    by_json = api.post(LABEL, json={"images": base64_images(), "labels": nulls, "seed": 3}, headers={"Accept": NPZ})
    by_form = api.post(LABEL, files=multipart, data={"labels": json.dumps(nulls), "seed": "3"}, headers={"Accept": NPZ})
    in_json = post(api, LABEL, npz(images=IMAGES, labels=np.array(NAMES)), NPZ, "application/json", seed=3).json()

    for each in (by_json, by_form):
        assert arrays(each)["labels"].tolist() == first["labels"].tolist()
        assert (arrays(each)["confidence"] == first["confidence"]).all()
    assert set(in_json) == {"labels", "confidence", "kept"}
    assert [label or "" for label in in_json["labels"]] == first["labels"].tolist()
    assert in_json["kept"] == first["kept"].tolist()
    assert np.allclose(in_json["confidence"], first["confidence"])


def folders(labels: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, (image, label) in enumerate(zip(IMAGES, labels, strict=True)):
            archive.writestr(f"{label or 'unlabelled'}/{i:02}.png", png(image))
    return out.getvalue()


def test_a_zip_comes_back_in_class_folders(api: httpx.Client) -> None:
    found = arrays(post(api, LABEL, npz(images=IMAGES, labels=np.array(NAMES)), NPZ, keep=0.5))

    answer = post(api, LABEL, folders(NAMES), ZIP, ZIP, keep=0.5)

    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        assert {row["file"] for row in rows} == set(archive.namelist()) - {"manifest.csv"}
    assert list(rows[0]) == ["file", "label", "confidence", "kept"]
    kept = [name if keeps else "unlabelled" for name, keeps in zip(found["labels"], found["kept"], strict=True)]
    assert [row["file"].split("/")[0] for row in rows] == kept
    assert [row["label"] for row in rows] == found["labels"].tolist()


def test_the_same_request_gets_the_same_bytes(api: httpx.Client) -> None:
    body = npz(images=IMAGES, labels=GIVEN)

    assert post(api, LABEL, body, NPZ).content == post(api, LABEL, body, NPZ).content


WRONG: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], int, str]] = {
    "no labels": ({"images": IMAGES}, {}, 422, "no labels to spread"),
    "no label at all": ({"images": IMAGES, "labels": np.full(60, -1)}, {}, 422, "no image has a label"),
    "nothing to label": ({"images": IMAGES, "labels": TRUTH}, {}, 422, "every image has a label"),
    "too few labels": ({"images": IMAGES, "labels": GIVEN[:5]}, {}, 422, "5 labels for 60 images"),
    "another size": ({"images": pictures(4), "labels": np.array([0, 1, -1, -1])}, {}, 422, "12"),
    "an unknown space": ({"images": IMAGES, "labels": GIVEN}, {"space": "outer"}, 422, "space"),
    "keep above 1": ({"images": IMAGES, "labels": GIVEN}, {"keep": 1.5}, 422, "keep"),
    "keep that is no number": ({"images": IMAGES, "labels": GIVEN}, {"keep": "nan"}, 422, "keep"),
    "an unknown option": ({"images": IMAGES, "labels": GIVEN}, {"k": 3}, 422, "no such option"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_labelled_is_refused(api: httpx.Client, case: str) -> None:
    body, query, status, words = WRONG[case]

    answer = post(api, LABEL, npz(**body), NPZ, **query)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_an_npy_holds_no_labels_and_is_not_read(api: httpx.Client) -> None:
    assert post(api, LABEL, b"", "application/x-npy").status_code == 415
    assert post(api, LABEL, npz(images=IMAGES, labels=GIVEN), NPZ, PNG).status_code == 406
    assert post(api, "/v1/models/nobody/label", npz(images=IMAGES, labels=GIVEN), NPZ).status_code == 404


def test_two_images_and_one_label_are_enough(api: httpx.Client) -> None:
    found = arrays(post(api, f"{TINY}/label", npz(images=pictures(2), labels=np.array([7, -1])), NPZ))

    assert found["labels"][0] == 7
    assert found["labels"][1] in (7, -1)


def test_resized_images_are_labelled(api: httpx.Client) -> None:
    large = np.kron(IMAGES, np.ones((1, 2, 2), np.uint8))

    found = arrays(post(api, LABEL, npz(images=large, labels=GIVEN), NPZ, resize="true"))

    assert (found["labels"][:40] == GIVEN[:40]).all()


def test_a_deadline_that_has_passed_is_told(api: httpx.Client) -> None:
    headers = {"Content-Type": NPZ, "Accept": NPZ, "X-Request-Timeout": "0.001"}

    answer = api.post(LABEL, content=npz(images=IMAGES, labels=GIVEN), headers=headers)

    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"
