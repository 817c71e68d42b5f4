"""Images without a label beside labelled ones, over real HTTP: every form of upload and request, and its answer."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug import datasets
from tests.api.bodies import NPZ, PNG, TINY, ZIP, arrays, base64_png, npz, pictures, png, post, zipped
from tests.api.services import Home

JSON = "application/json"
DATASETS = "/v1/datasets"
IMAGES = pictures(8)
NAMES = ["a", "a", "a", None, "b", "b", "b", None]
FOLDERS = [name or "unlabelled" for name in NAMES]
OF_ARRAYS = {
    "integers": np.array([1, 1, 1, -1, 2, 2, 2, -1], np.int16),
    "texts": np.array([name or "" for name in NAMES]),
    "floats": np.array([1, 1, 1, np.nan, 2, 2, 2, np.nan]),
}


def upload(api: httpx.Client, name: str, body: bytes, form: str, **query: Any) -> dict[str, Any]:
    created = post(api, DATASETS, body, form, JSON, name=name, **query)
    assert created.status_code == 201, created.text
    described: dict[str, Any] = created.json()
    assert api.get(f"{DATASETS}/{name}").json() == described
    assert api.delete(f"{DATASETS}/{name}").status_code == 204
    return described


def augment(api: httpx.Client, accept: str = NPZ, **query: Any) -> httpx.Response:
    return post(api, f"{TINY}/augment", npz(images=IMAGES, labels=OF_ARRAYS["texts"]), NPZ, accept, **{"k": 2, **query})


# Data sets


@pytest.mark.parametrize("form", OF_ARRAYS)
def test_an_npz_marks_unlabelled_images_as_its_type_can(api: httpx.Client, form: str) -> None:
    described = upload(api, form, npz(images=IMAGES, labels=OF_ARRAYS[form]), NPZ)

    assert described["classes"] == (["a", "b"] if form == "texts" else ["1", "2"])
    assert described["class_counts"] == [3, 3]
    assert (described["images"], described["labelled"], described["unlabelled"]) == (8, 6, 2)
    assert described["labelled_parts"] == {"train": 4, "validation": 0, "test": 2}
    assert described["parts"] == {"train": 5, "validation": 1, "test": 2}
    assert described["left_out"] is None


@pytest.mark.parametrize("folder", ["unlabelled", "unlabeled", "Unlabelled", "mine/unlabelled/2024/a"])
def test_a_zip_has_a_folder_for_unlabelled_images(api: httpx.Client, folder: str) -> None:
    body = zipped(IMAGES, [folder if name is None else f"mine/{name}" for name in NAMES])

    described = upload(api, "zipped", body, ZIP)

    assert described["classes"] == ["a", "b"]
    assert (described["labelled"], described["unlabelled"]) == (6, 2)


def test_a_data_set_of_before_says_that_all_or_none_of_its_images_are_labelled(api: httpx.Client) -> None:
    digits = api.get(f"{DATASETS}/digits").json()
    bare = upload(api, "bare-too", npz(images=IMAGES), NPZ)

    assert (digits["labelled"], digits["unlabelled"]) == (1797, 0)
    assert digits["labelled_parts"] == digits["parts"]
    assert (bare["labelled"], bare["unlabelled"]) == (0, 8)


def test_no_image_that_is_tested_on_is_also_trained_on(api: httpx.Client, home: Home) -> None:
    images = np.concatenate([pictures(20), pictures(20), pictures(9)])
    labels = np.array([0, 1] * 10 + [-1] * 29)
    post(api, DATASETS, npz(images=images, labels=labels), NPZ, JSON, name="leaky")

    described = api.get(f"{DATASETS}/leaky").json()
    data = datasets.load("leaky", home.store, [])
    api.delete(f"{DATASETS}/leaky")

    tested = {image.tobytes() for image in data.images[data.test]}
    assert len(tested) == described["left_out"]["images"] == 6
    assert not tested & {image.tobytes() for image in data.images[np.concatenate([data.train, data.validation])]}
    assert sum(described["parts"].values()) == 43


def test_images_of_a_data_set_come_with_or_without_a_label(api: httpx.Client) -> None:
    body = npz(images=IMAGES, labels=OF_ARRAYS["integers"])
    post(api, DATASETS, body, NPZ, JSON, name="shown")

    path = f"{DATASETS}/shown/images"
    document = api.get(path, params={"rows": "3,0"}).json()
    array = arrays(api.get(path, params={"rows": "3,0"}, headers={"Accept": NPZ}))
    archive = api.get(path, params={"rows": "3,0"}, headers={"Accept": ZIP}).content
    sent_on = post(api, DATASETS, archive, ZIP, JSON, name="too-few")
    api.delete(f"{DATASETS}/shown")

    assert document["labels"] == [entry["label"] for entry in document["provenance"]] == [None, "1"]
    assert array["labels"].tolist() == ["", "1"]
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert members.namelist() == ["unlabelled/000000.png", "1/000001.png", "manifest.csv"]
    assert "at least 4" in sent_on.json()["detail"]


def test_a_part_without_images_is_refused_by_name(api: httpx.Client) -> None:
    labels = np.array([0, 1, -1, -1, -1, -1, -1, -1])
    post(api, DATASETS, npz(images=IMAGES, labels=labels), NPZ, JSON, name="untested")

    shown = api.get(f"{DATASETS}/untested/images")
    judged = api.post("/v1/jobs/evaluate", json={"dataset": "untested"})
    api.delete(f"{DATASETS}/untested")

    assert (shown.status_code, shown.json()["errors"][0]["loc"]) == (422, "part")
    assert (judged.status_code, judged.json()["errors"][0]["loc"]) == (422, "dataset")
    assert "none to test on" in judged.json()["detail"]


def test_an_evaluation_draws_from_labelled_training_images_alone(api: httpx.Client) -> None:
    images, labels = pictures(60), np.array([0, 1] * 10 + [-1] * 40)
    post(api, DATASETS, npz(images=images, labels=labels), NPZ, JSON, name="twenty")

    answer = api.post("/v1/jobs/evaluate", json={"dataset": "twenty", "labelled": 13})
    api.delete(f"{DATASETS}/twenty")

    assert answer.status_code == 422
    assert "use 2 to 12, all labelled images of the training part" in answer.json()["detail"]


# One request


def requests(api: httpx.Client, path: str, accept: str, **query: Any) -> dict[str, httpx.Response]:
    """The same images and labels in every form that has a sign for an image without a label."""
    multipart = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(IMAGES)]
    document = {"images": [base64_png(image) for image in IMAGES], "labels": NAMES}
    fields = {"labels": json.dumps(NAMES)}
    headers = {"Accept": accept}
    bodies = {form: npz(images=IMAGES, labels=labels) for form, labels in OF_ARRAYS.items()}
    return {form: post(api, path, body, NPZ, accept, **query) for form, body in bodies.items()} | {
        "zip": post(api, path, zipped(IMAGES, FOLDERS), ZIP, accept, **query),
        "json": api.post(path, json={**document, **query}, headers=headers),
        "multipart": api.post(path, files=multipart, data={**fields, **query}, headers=headers),
    }


def test_every_form_has_its_sign_for_no_label_and_gets_it_back(api: httpx.Client) -> None:
    encoded = {form: arrays(answer)["labels"] for form, answer in requests(api, f"{TINY}/encode", NPZ).items()}

    for form, labels in OF_ARRAYS.items():
        assert encoded[form].dtype == labels.dtype
        assert np.array_equal(encoded[form], labels, equal_nan=form == "floats")
    for form in ("zip", "json", "multipart"):
        assert encoded[form].tolist() == OF_ARRAYS["texts"].tolist()


def test_json_says_null(api: httpx.Client) -> None:
    answers = requests(api, f"{TINY}/encode", JSON)

    for form in ("texts", "zip", "json", "multipart"):
        assert answers[form].json()["labels"] == NAMES
    for form in ("integers", "floats"):
        assert answers[form].json()["labels"] == [1, 1, 1, None, 2, 2, 2, None]


def test_every_form_gives_the_same_children(api: httpx.Client) -> None:
    made = {form: arrays(answer) for form, answer in requests(api, f"{TINY}/augment", NPZ, k=2).items()}

    for other in made.values():
        assert np.array_equal(other["images"], made["integers"]["images"])
        assert np.array_equal(other["neighbour"], made["integers"]["neighbour"])


def test_labelled_images_have_neighbours_of_their_label_and_unlabelled_ones_of_any(api: httpx.Client) -> None:
    latents = arrays(post(api, f"{TINY}/encode", npz(images=IMAGES), NPZ))["latents"]

    made = arrays(augment(api))

    for child, source in enumerate(made["source"]):
        rivals = [i for i in range(8) if i != source and NAMES[source] in (None, NAMES[i])]
        nearest = sorted(rivals, key=lambda i: float(np.linalg.norm(latents[i] - latents[source])))[:2]
        assert made["neighbour"][child] == nearest[child % 2]
    assert made["labels"].tolist() == [name or "" for name in NAMES for _ in range(2)]


def test_unlabelled_children_lie_in_their_own_folder(api: httpx.Client) -> None:
    made = arrays(augment(api))

    with zipfile.ZipFile(io.BytesIO(augment(api, ZIP).content)) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("manifest.csv"), "utf-8")))
        again = archive.namelist()

    assert [row["file"].split("/")[0] for row in rows] == [name or "unlabelled" for name in NAMES for _ in range(2)]
    assert [row["label"] for row in rows] == made["labels"].tolist()
    assert again[:-1] == [row["file"] for row in rows]


def test_a_class_named_like_the_folder_is_still_a_class(api: httpx.Client) -> None:
    body = npz(images=IMAGES, labels=np.array(["unlabelled"] * 4 + [""] * 4))

    archive = post(api, f"{TINY}/augment", body, NPZ, ZIP, k=1).content
    encoded = post(api, f"{TINY}/encode", archive, ZIP, JSON).json()

    assert encoded["labels"] == ["unlabelled-2"] * 4 + [None] * 4


def test_exact_numbers_by_class_pass_unlabelled_images_by(api: httpx.Client) -> None:
    by_class, by_image = augment(api, per_class=4), augment(api, per_image=3)

    assert np.bincount(arrays(by_class)["source"], minlength=8).tolist() == [2, 1, 1, 0, 2, 1, 1, 0]
    assert np.bincount(arrays(by_image)["source"], minlength=8).tolist() == [3] * 8
    tally = json.loads(by_image.headers["augment-tally"])
    assert (tally["made"], {name: each["made"] for name, each in tally["classes"].items()}) == (24, {"a": 9, "b": 9})


def test_nothing_is_counted_by_class_where_nobody_has_a_label(api: httpx.Client) -> None:
    body = npz(images=IMAGES, labels=np.full(8, -1))

    counted = post(api, f"{TINY}/augment", body, NPZ, per_class=4)
    plain = post(api, f"{TINY}/augment", body, NPZ, k=1)

    assert (counted.status_code, counted.json()["errors"][0]["loc"]) == (422, "per_class")
    assert arrays(plain)["labels"].tolist() == [-1] * 8


def test_a_data_set_gives_labelled_images_neighbours_of_their_label_and_others_any(api: httpx.Client) -> None:
    body = npz(images=IMAGES[:2], labels=np.array(["dog", ""]))

    made = arrays(post(api, f"{TINY}/augment", body, NPZ, neighbours="dataset", k=6, method="noise"))
    near = arrays(post(api, f"{TINY}/augment", body, NPZ, neighbours="dataset", k=3))

    assert made["labels"].tolist() == ["dog"] * 6 + [""] * 6
    assert sorted(near["neighbour"][:3].tolist()) == [13, 14, 15]
    assert set(near["neighbour"][3:].tolist()) <= set(range(10, 16))


HOSTILE = {
    "a fraction": np.array([1.5] * 8),
    "infinity": np.array([np.inf] * 8),
    "no number of 64 bits": np.array([1e30] * 8),
    "bytes": np.array([b"a"] * 8),
    "complex numbers": np.array([1j] * 8),
    "two axes": np.full((8, 2), -1),
    "too few": np.full(7, -1),
    "a control character": np.array(["a\n", *[""] * 7]),
    "a long text": np.array(["x" * 101, *[""] * 7]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_label_is_refused(api: httpx.Client, case: str) -> None:
    body = npz(images=IMAGES, labels=HOSTILE[case])

    for path, query in ((f"{TINY}/augment", {}), (f"{TINY}/encode", {}), (DATASETS, {"name": "hostile"})):
        answer = post(api, path, body, NPZ, "*/*", **query)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "labels", ['[null, ""]', "[null, NaN]", "[null, true]", "[null, [null]]", "[null, {}]", "null"]
)
def test_json_labels_are_nulls_numbers_and_texts_alone(api: httpx.Client, labels: str) -> None:
    images = json.dumps([base64_png(image) for image in IMAGES[:2]])
    multipart = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(IMAGES[:2])]

    sent = [api.post(f"{TINY}/encode", files=multipart, data={"labels": labels})]
    if labels != "null":  # which is as good as no labels in a JSON object
        body = f'{{"images": {images}, "labels": {labels}}}'.encode()
        sent.append(api.post(f"{TINY}/encode", content=body, headers={"Content-Type": JSON}))

    assert [answer.status_code for answer in sent] == [422] * len(sent)


def test_an_array_of_python_objects_is_never_read(api: httpx.Client) -> None:
    out = io.BytesIO()
    np.savez(out, images=IMAGES, labels=np.array(["a", None] * 4, dtype=object))

    assert post(api, f"{TINY}/augment", out.getvalue(), NPZ).status_code == 400
