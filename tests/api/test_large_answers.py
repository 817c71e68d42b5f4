"""What a few bytes would unfold to: tallies of many classes, contact sheets of uneven rows, images made larger."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.requests import Request

from latentaug.errors import TooLarge
from latentaug.imaging.archives import write_zip
from latentaug.options import ImageOptions
from latentaug.runtime.settings import Settings
from service.api.context import Context
from service.api.http.answers import MOST_TALLY_BYTES, NewImages, images_in_pieces, write_images
from service.api.http.bodies import ImageBatch
from service.api.http.holding import Holding
from service.api.http.labels import Labels
from service.api.routes.steps import fitted
from tests.api.bodies import NPZ, PNG, TINY, ZIP, arrays, npz, pictures, png, post

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


def test_images_are_not_resized_into_more_bytes_than_a_request_may_hold() -> None:
    others: list[Any] = [None] * 8
    context = Context(Settings(max_body_bytes=2**18), *others, Holding(2**20), None, None)  # type: ignore[arg-type]
    model: Any = SimpleNamespace(height=256, width=256, channels=3)

    def fit(count: int) -> np.ndarray:
        batch = ImageBatch(np.zeros((count, 8, 8, 1), np.uint8))
        request = Request({"type": "http", "headers": []})
        return asyncio.run(fitted(request, context, batch, model, ImageOptions(resize=True)))

    assert fit(5).shape == (5, 256, 256, 3)
    with pytest.raises(TooLarge, match="send at most 5"):
        fit(6)


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
