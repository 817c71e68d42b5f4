"""The label job on digits of which few have labels."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from latentaug import datasets
from latentaug.datasets import UNLABELLED, Dataset, digits
from latentaug.errors import InvalidInput
from latentaug.options import LabelParams, TrainParams
from tests.worker.desk import Desk
from worker import label as label_job
from worker.train import train
from worker.work import Work

DIGITS = digits.load()
LARGE = 2**30
TRUTH = np.asarray(DIGITS.labels)


def partly_labelled(per_class: int = 10) -> tuple[np.ndarray, list[str | None]]:
    """Six hundred digits; of each class so many have labels."""
    names: list[str | None] = [None] * 600
    for label in range(10):
        for row in np.flatnonzero(TRUTH[:600] == label)[:per_class]:
            names[row] = str(label)
    return DIGITS.images[:600], names


@pytest.fixture
def few(desk: Desk) -> Dataset:
    """The data set `few`, and the model `mine` of it."""
    images, names = partly_labelled()
    datasets.create(desk.artefacts, "few", images, names, LARGE)
    train(desk.start("train"), TrainParams(dataset="few", name="mine", latent_dim=8, epochs=3, beta=0.1))
    return datasets.load("few", desk.artefacts, desk.settings.dataset_folders)


def result(desk: Desk, work: Work) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(desk.file(work, "result.json"))
    return found


def test_every_unlabelled_training_image_is_told_of(desk: Desk, few: Dataset) -> None:
    work = desk.start("label")

    summary = label_job.label(work, LabelParams(dataset="few", model="mine", webhook="https://example.org/hidden"))

    found = result(desk, work)
    assert "webhook" not in found, "an address may hold secrets of its owner"
    rows = found["rows"]
    assert [entry["row"] for entry in rows] == few.pool.tolist()
    assert found["unlabelled"] == summary["unlabelled"] == len(rows) == len(few.pool)
    assert found["labelled"] == summary["labelled"] == len(few.labelled_train)
    assert found["kept"] == summary["kept"] == sum(entry["kept"] for entry in rows)
    assert found["space"] in {"latent", "pixels"}
    assert set(found["ask_next"]) <= set(few.pool.tolist())
    labels = np.asarray(few.labels)
    for entry in rows:
        assert entry["nearest"] in few.labelled_train
        if entry["label"] is not None:
            assert few.classes[labels[entry["nearest"]]] == entry["label"]
    expected = found["expected_accuracy"]
    right = np.mean([entry["label"] == str(TRUTH[entry["row"]]) for entry in rows if entry["label"] is not None])
    assert right > 0.9
    assert 0 <= expected["low"] <= right <= expected["high"] <= 1
    assert set(expected["per_class"]) == set(few.classes)


def test_the_files_hold_the_kept_images(desk: Desk, few: Dataset) -> None:
    work = desk.start("label")
    label_job.label(work, LabelParams(dataset="few", model="mine", keep=0.5))

    kept = [entry for entry in result(desk, work)["rows"] if entry["kept"]]
    arrays = np.load(io.BytesIO(desk.file(work, "images.npz")))
    table = list(csv.DictReader(io.StringIO(desk.file(work, "rows.csv").decode())))
    with zipfile.ZipFile(io.BytesIO(desk.file(work, "images.zip"))) as archive:
        files = archive.namelist()
        manifest = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))

    assert arrays["row"].tolist() == [entry["row"] for entry in kept]
    assert arrays["labels"].tolist() == [entry["label"] for entry in kept]
    assert (arrays["images"] == few.images[arrays["row"], ..., 0]).all()
    assert np.allclose(arrays["confidence"], [entry["confidence"] for entry in kept])
    assert list(table[0]) == ["row", "label", "confidence", "kept", "nearest"]
    assert len(table) == len(few.pool)
    assert len(files) == len(kept) + 1
    assert [row["file"].split("/")[0] for row in manifest] == [entry["label"] for entry in kept]
    assert list(manifest[0]) == ["file", "row", "label", "confidence", "nearest"]


def test_no_other_part_takes_part(desk: Desk, few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other test and validation images, and other labels there, everything stays the same."""
    first, second = desk.start("label"), desk.start("label")
    params = LabelParams(dataset="few", model="mine")
    label_job.label(first, params)
    others = np.setdiff1d(np.arange(len(few.images)), few.train)
    images, labels = few.images.copy(), np.asarray(few.labels).copy()
    images[others] = 255 - images[others]
    labels[others] = np.where(labels[others] == UNLABELLED, UNLABELLED, 9 - labels[others])
    changed = Dataset("few", images, labels, few.classes, few.train, few.validation, few.test, few.source)
    monkeypatch.setattr(datasets, "load", lambda *_: changed)

    label_job.label(second, params)

    assert {entry["row"] for entry in result(desk, second)["rows"]}.isdisjoint(others.tolist())
    for name in ("rows.csv", "images.npz", "images.zip"):
        assert desk.file(first, name) == desk.file(second, name)


def test_of_the_whole_data_set_every_image_takes_part(desk: Desk, few: Dataset) -> None:
    work = desk.start("label")

    label_job.label(work, LabelParams(dataset="few", model="mine", whole=True))

    rows = result(desk, work)["rows"]
    assert [entry["row"] for entry in rows] == np.flatnonzero(np.asarray(few.labels) == UNLABELLED).tolist()
    assert np.mean([entry["label"] == str(TRUTH[entry["row"]]) for entry in rows]) > 0.8


def test_data_without_labels_or_without_images_to_label_are_refused(desk: Desk, few: Dataset) -> None:
    for name, labels in (("bare", None), ("whole", [str(label) for label in TRUTH[:600]])):
        datasets.create(desk.artefacts, name, DIGITS.images[:600], labels, LARGE)

    with pytest.raises(InvalidInput, match="no label"):
        label_job.label(desk.start("label"), LabelParams(dataset="bare", model="mine"))
    with pytest.raises(InvalidInput, match="every image has a label"):
        label_job.label(desk.start("label"), LabelParams(dataset="whole", model="mine"))
