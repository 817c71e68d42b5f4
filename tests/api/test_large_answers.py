"""What a few bytes would unfold to: tallies of many classes, contact sheets of uneven rows, images made larger."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug.imaging.archives import write_zip
from service.api.http.answers import MOST_TALLY_BYTES, NewImages, images_in_pieces, write_images
from service.api.http.labels import Labels
from tests.api import services
from tests.api.bodies import NPY, NPZ, PNG, TINY, ZIP, arrays, npy, npz, pictures, png, post
from tests.api.services import Home

JSON = "application/json"
NAMES = np.array([f"class {i} of many" for i in range(64)])


def many_classes(api: httpx.Client, accept: str) -> httpx.Response:
    body = npz(images=pictures(64), labels=NAMES)
    answer = post(api, f"{TINY}/augment", body, NPZ, accept, per_image=1, method="noise")
    assert answer.status_code == 200, answer.text
    return answer


def test_the_tally_of_many_classes_leaves_them_to_the_answer_itself(api: httpx.Client) -> None:
    answer = many_classes(api, JSON)

    header, tally = answer.headers["augment-tally"], answer.json()["tally"]
    assert len(header) <= MOST_TALLY_BYTES < len(json.dumps(tally))
    assert json.loads(header) == {**tally, "classes": None}
    assert tally["classes"].keys() == set(NAMES)
    assert json.loads(str(arrays(many_classes(api, NPZ))["tally"])) == tally
    with zipfile.ZipFile(io.BytesIO(many_classes(api, ZIP).content)) as archive:
        assert json.loads(archive.read("tally.json")) == tally


def test_an_answer_with_its_tally_can_be_sent_on_as_it_is(api: httpx.Client) -> None:
    for form in (NPZ, ZIP):
        again = post(api, f"{TINY}/encode", many_classes(api, form).content, form)

        assert again.status_code == 200, again.text
        assert "image-warnings" not in again.headers


def test_a_label_that_a_spreadsheet_would_run_is_a_text_in_the_manifest_and_itself_elsewhere(api: httpx.Client) -> None:
    hostile = "=cmd|' /C calc'!A0"
    body = npz(images=pictures(4), labels=np.array([hostile, hostile, "-1", "-1"]))

    as_zip = post(api, f"{TINY}/augment", body, NPZ, ZIP, k=1)
    as_npz = post(api, f"{TINY}/augment", body, NPZ, NPZ, k=1)

    with zipfile.ZipFile(io.BytesIO(as_zip.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
    assert [row["label"] for row in rows] == [f"'{hostile}"] * 2 + ["-1"] * 2
    assert arrays(as_npz)["labels"].tolist() == [hostile] * 2 + ["-1"] * 2


def test_warnings_that_name_long_paths_fit_into_a_header(api: httpx.Client) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", png(pictures(1)[0]))
        for i in range(9):
            archive.writestr(f"{'é' * 90}/{i}{'ü' * 90}.txt", b"")

    answer = post(api, f"{TINY}/encode", out.getvalue(), ZIP, resize="true")

    assert answer.status_code == 200, answer.text
    header = answer.headers["image-warnings"]
    assert len(header) <= 4096
    assert "passed over" in json.loads(header)[0]


def test_a_contact_sheet_whose_longest_row_makes_all_rows_long_is_refused(api: httpx.Client) -> None:
    labels = np.array(["a"] * 63 + ["b"])
    body = npz(images=np.zeros((64, 8, 8, 3), np.uint8), labels=labels)
    asked: dict[str, Any] = {"method": "noise", "per_class": 255}

    refused = post(api, "/v1/models/colour/augment", body, NPZ, PNG, **asked)
    given = post(api, "/v1/models/colour/augment", body, NPZ, ZIP, **asked)

    assert (refused.status_code, given.status_code) == (413, 200)
    assert "ask for fewer" in refused.json()["detail"]


@pytest.fixture(scope="module")
def photo(home: Home) -> str:
    services.save_model(home.store, "photo", 256, 256, 3)
    return "/v1/models/photo"


def test_images_are_not_resized_into_more_bytes_than_a_request_may_hold(api: httpx.Client, photo: str) -> None:
    refused = post(api, f"{photo}/encode", npy(pictures(64, 8, 8)), NPY, resize="true")
    given = post(api, f"{photo}/encode", npy(pictures(21, 8, 8)), NPY, resize="true")

    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert "at most 21" in refused.json()["detail"]
    assert given.status_code == 200, given.text


@pytest.mark.parametrize("labelled", [True, False])
def test_large_answers_come_in_pieces_and_are_what_they_would_be_whole(labelled: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 256, 256, 3), np.uint8)
    labels = Labels.from_list(["é", None] * 30) if labelled else None
    rows = [{"source": i, "alpha": 0.5} for i in range(60)]
    new = NewImages(images, lambda: rows, lambda: [], {"source": np.arange(60)}, {"alpha": 0.5}, labels, {"made": 60})

    as_zip, as_json = (images_in_pieces(form, new) for form in (ZIP, JSON))
    assert as_zip is not None
    assert as_json is not None
    pieces = list(as_json)
    document = json.loads(b"".join(pieces))

    assert len(pieces) > 5
    assert list(document) == ["images", "source", *["labels"] * labelled, "provenance", "tally"]
    assert len(document["images"]) == len(document["provenance"]) == 60
    assert b"".join(as_zip) == write_zip(images, None if labels is None else labels.names, rows, {"made": 60})
    assert images_in_pieces(NPZ, new) is None


def test_an_answer_of_no_images_is_json_too() -> None:
    none = NewImages(np.empty((0, 8, 8, 1), np.uint8), lambda: [], lambda: [])

    assert json.loads(write_images(JSON, none)) == {"images": [], "provenance": []}
