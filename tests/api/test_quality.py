"""Images in, their quality out, over real HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.datasets import digits
from latentaug.evaluation.quality_report import NUMBERS
from service.api.routes.quality import QualityAnswer
from tests.api.bodies import NPY, NPZ, PNG, TINY, ZIP, npy, npz, pictures, png, post, zipped

QUALITY = "/v1/models/eight/quality"
JSON = "application/json"
IMAGES = digits.load().images[:40, ..., 0]
LABELS = ["cat", "dog"] * 20
pytestmark = pytest.mark.usefixtures("empty_redis")


def found(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == JSON
    document: dict[str, Any] = answer.json()
    return document


def test_images_are_set_beside_those_that_the_model_was_trained_on(api: httpx.Client) -> None:
    report = found(post(api, QUALITY, npz(images=IMAGES, labels=np.array(LABELS)), NPZ, JSON))

    assert set(report) == set(QualityAnswer.model_fields)
    assert (report["new_images"], report["real_images"]) == (40, 6)
    assert (report["unseen"], report["unseen_images"]) == ("left_out", 6)
    assert report["near_copies_of"] == "training"
    assert 0 <= report["label_agreement"] <= 1
    assert 0 <= report["nearer_than_unseen"] <= 1
    assert len(report["nearest"]) == len(report["distance"]) == len(report["image_density"]) == 40
    assert set(report["nearest"]) <= set(range(10, 16))
    assert np.mean(report["image_density"]) == pytest.approx(report["density"], rel=1e-5)
    assert "of the new images are near-copies of training images" in report["sentence"]


def test_labels_may_be_left_out(api: httpx.Client) -> None:
    bare = found(post(api, QUALITY, npy(IMAGES), NPY, JSON))
    half = found(post(api, QUALITY, npz(images=IMAGES, labels=np.array(["", "dog"] * 20)), NPZ, JSON))

    assert bare["label_agreement"] is bare["label_agreement_of_unseen"] is None
    assert 0 <= half["label_agreement"] <= 1
    assert all(bare[name] == half[name] for name in NUMBERS if not name.startswith("label"))


def test_every_form_gives_the_same_report(api: httpx.Client) -> None:
    first = found(post(api, QUALITY, npz(images=IMAGES, labels=np.array(LABELS)), NPZ, JSON))
    multipart = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(IMAGES)]
    in_json = {"images": [base64.b64encode(png(image)).decode() for image in IMAGES], "labels": LABELS}

    by_form = api.post(QUALITY, files=multipart, data={"labels": json.dumps(LABELS)})
    by_json = api.post(QUALITY, json=in_json)
    by_zip = post(api, QUALITY, zipped(IMAGES, LABELS), ZIP, JSON)

    assert found(by_form) == found(by_json) == first
    assert found(by_zip)["density"] == pytest.approx(first["density"], rel=1e-5)


def test_the_same_request_gets_the_same_bytes(api: httpx.Client) -> None:
    body = npz(images=IMAGES, labels=np.array(LABELS))

    assert post(api, QUALITY, body, NPZ, JSON).content == post(api, QUALITY, body, NPZ, JSON).content


WRONG: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], int, str]] = {
    "a label that the model does not know": ({"images": IMAGES[:2], "labels": np.array(["cat", "x"])}, {}, 422, "'x'"),
    "too few labels": ({"images": IMAGES, "labels": np.array(LABELS[:5])}, {}, 422, "5 labels for 40 images"),
    "another size": ({"images": pictures(4)}, {}, 422, "resize"),
    "an unknown option": ({"images": IMAGES}, {"k": 3}, 422, "no such option"),
    "no images": ({"images": IMAGES[:0]}, {}, 422, "empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_measured_is_refused(api: httpx.Client, case: str) -> None:
    body, query, status, words = WRONG[case]

    answer = post(api, QUALITY, npz(**body), NPZ, JSON, **query)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_one_image_of_another_size_is_measured_when_resized(api: httpx.Client) -> None:
    report = found(post(api, QUALITY, npy(pictures(1)), NPY, JSON, resize="true"))

    assert report["new_images"] == 1
    assert report["warning"] is None, "of one image no warning is given"


def test_there_is_no_other_form_and_no_other_model(api: httpx.Client) -> None:
    assert post(api, QUALITY, npy(IMAGES), NPY, PNG).status_code == 406
    assert post(api, QUALITY, b"", "text/csv", JSON).status_code == 415
    assert post(api, "/v1/models/nobody/quality", npy(IMAGES), NPY, JSON).status_code == 404
    assert found(post(api, f"{TINY}/quality", npy(pictures(3)), NPY, JSON))["new_images"] == 3
