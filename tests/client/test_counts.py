"""Exact numbers of new images through the whole service: requests, jobs, the tally, and any one image made again."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from latentaug_client import Client, Invalid
from latentaug_client.payloads import images_body
from PIL import Image

from tests.client.conftest import DIGITS, MODEL

assert DIGITS.labels is not None
IMAGES, LABELS = DIGITS.images[:60, ..., 0], DIGITS.labels[:60] % 3


def post(url: str, accept: str, labels: Any = LABELS, **options: Any) -> httpx.Response:
    body = images_body(IMAGES, labels)
    headers = {**(body.headers or {}), "Accept": accept}
    params = {name: str(value).lower() for name, value in options.items()}
    return httpx.post(
        f"{url}/v1/models/{MODEL}/augment", params=params, content=body.content, headers=headers, timeout=60
    )


def test_so_many_of_each_image_of_each_class_or_until_classes_are_equal(client: Client) -> None:
    each = client.augment(IMAGES, LABELS, model=MODEL, per_image=7, k=2)
    assert np.bincount(each.source).tolist() == [7] * 60
    of_class = client.augment(IMAGES, LABELS, model=MODEL, per_class=50)
    assert of_class.labels is not None
    assert np.bincount(of_class.labels).tolist() == [50] * 3
    assert max(np.ptp(np.bincount(of_class.source)[label == LABELS]) for label in range(3)) <= 1
    equal = client.augment(IMAGES, LABELS, model=MODEL, balance="40")
    assert equal.labels is not None
    assert (np.bincount(equal.labels) + np.bincount(LABELS)).tolist() == [40] * 3
    again = client.augment(IMAGES, LABELS, model=MODEL, balance="40")
    assert again.images.tobytes() == equal.images.tobytes()


def test_the_tally_says_what_was_turned_away_and_what_is_missing(url: str) -> None:
    options = {"method": "noise", "alpha": 2, "per_class": 30, "reject_off_manifold": True, "reject_label": True}
    answer = post(url, "application/json", retries=2, **options)
    tally = answer.json()["tally"]
    assert json.loads(answer.headers["Augment-Tally"]) == tally
    assert tally["wanted"] == 90 == tally["made"] + tally["missing"]
    assert tally["made"] == len(answer.json()["images"])
    assert tally["rejected"]["label"] + tally["rejected"]["off_manifold"] >= tally["missing"] > 0
    assert sum(part["made"] for part in tally["classes"].values()) == tally["made"]
    plain = post(url, "application/json", k=1)
    assert "tally" not in plain.json()
    assert "Augment-Tally" not in plain.headers


@pytest.mark.parametrize("accept", ["application/x-npy", "application/x-npz", "application/zip", "image/png"])
def test_every_form_answers_even_where_nothing_is_left(url: str, accept: str) -> None:
    answer = post(url, accept, method="noise", alpha=0, k=2, reject_copies=True)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["Augment-Tally"])["made"] == 0


def test_what_does_not_go_together_is_refused(client: Client) -> None:
    for options, words in [
        ({"per_image": 1, "per_class": 1}, "exclude each other"),
        ({"balance": "all"}, "majority"),
        ({"per_class": 0}, "greater than"),
        ({"method": "noise", "copies": 2, "per_image": 2}, "exclude each other"),
    ]:
        with pytest.raises(Invalid, match=words):
            client.augment(IMAGES, LABELS, model=MODEL, **options)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="no labels"):
        client.augment(IMAGES, model=MODEL, balance="majority")
    with pytest.raises(Invalid, match="at most 986895"):  # a request could not hold that many, nor can a job
        client.augment(IMAGES, LABELS, model=MODEL, per_class=10_000_000)


def test_any_one_image_is_made_again_from_its_line_in_the_manifest(url: str, client: Client) -> None:
    with zipfile.ZipFile(io.BytesIO(post(url, "application/zip", per_image=5, k=2).content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        for row in rows[3:300:70]:
            image = np.asarray(Image.open(io.BytesIO(archive.read(row["file"]))))
            pair = IMAGES[[int(row["source"]), int(row["neighbour"])]]
            made = client.augment(pair, model=MODEL, method="interpolation", alpha=float(row["step"]), k=1)
            assert np.abs(made.images[0].astype(int) - image).max() <= 1


def test_a_whole_data_set_is_balanced_by_a_job(client: Client) -> None:
    kept = np.concatenate([np.flatnonzero(LABELS == 0), np.flatnonzero(LABELS == 1)[:10]])
    client.upload("uneven", IMAGES[kept], LABELS[kept])
    job = client.augment_dataset("uneven", MODEL, balance="majority", k=2, reject_copies=True).wait(timeout=120)
    result = json.loads(job.result("json"))
    arrays = np.load(io.BytesIO(job.result("npz")))
    assert result["tally"]["wanted"] == result["tally"]["made"] + result["tally"]["missing"]
    assert result["tally"]["made"] == len(arrays["images"]) == result["images"]
    assert set(arrays["labels"].tolist()) == {"1"}
    assert {"child", "step"} <= set(arrays.files)
