"""What a job made, in the layouts of other tools, and opened by the libraries that read them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import datasets as huggingface
import numpy as np
import pyarrow as pa
import pytest
import webdataset
from PIL import Image
from pyarrow import parquet

from latentaug.datasets import digits
from latentaug.datasets.dataset import UNLABELLED, Dataset
from latentaug.datasets.layouts import Converted, convert, examples
from latentaug.imaging.archives import write_zip

DIGITS = digits.load()
CLASSES = ("a/b", "a b", "ten")  # two of them would share a folder's name
COUNT = 9


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """A small data set with an image without a label in its validation part."""
    labels = np.arange(30) % len(CLASSES)
    labels[20] = UNLABELLED
    rows = np.arange(30)
    return Dataset("small", DIGITS.images[:30], labels, CLASSES, rows[:18], rows[18:24], rows[24:], "tests")


@pytest.fixture(scope="module")
def made(dataset: Dataset) -> bytes:
    """The zip of a job: nine images, of which the last has no label and the first no neighbour."""
    names = [*(CLASSES[i % 3] for i in range(COUNT - 1)), None]
    manifest = [
        {
            "source": i,
            "neighbour": -1 if i == 0 else i + 1,
            "method": "noise",
            "alpha": 0.5,
            "seed": None,
            "label": name,
        }
        for i, name in enumerate(names)
    ]
    return write_zip(list(dataset.images[:COUNT]), names, manifest)


def test_a_zip_is_read_in_the_order_of_its_manifest(made: bytes, dataset: Dataset) -> None:
    found = list(examples(made))

    assert [one.label for one in found] == [*(CLASSES[i % 3] for i in range(COUNT - 1)), None]
    assert [int(one.row["source"]) for one in found] == list(range(COUNT))
    for one, image in zip(found, dataset.images, strict=False):
        assert (np.asarray(Image.open(io.BytesIO(one.png))) == image[..., 0]).all()


def test_datasets_reads_the_parquet_file_with_images_and_classes(
    made: bytes, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface.config, "HF_DATASETS_OFFLINE", True)
    (tmp_path / "train.parquet").write_bytes(convert("huggingface", made, dataset))

    read = huggingface.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )

    assert isinstance(read.features["image"], huggingface.Image)
    assert read.features["label"].names == list(CLASSES)
    assert read["label"][:] == [*(i % 3 for i in range(COUNT - 1)), None]
    assert read["neighbour"][:3] == [-1, 2, 3]
    assert read["alpha"][0] == 0.5
    assert read["method"][0] == "noise"
    assert (np.asarray(read[4]["image"]) == dataset.images[4, ..., 0]).all()


def test_parquet_columns_have_the_narrowest_type_that_holds_them(made: bytes, dataset: Dataset) -> None:
    table = parquet.read_table(io.BytesIO(convert("huggingface", made, dataset)))

    types = {name: table.schema.field(name).type for name in ("source", "alpha", "method", "seed")}
    assert types == {"source": pa.int64(), "alpha": pa.float64(), "method": pa.string(), "seed": pa.string()}
    assert table["seed"].null_count == COUNT
    assert table["image"].to_pylist()[0]["path"].endswith(".png")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves its file open
def test_webdataset_reads_the_tar(made: bytes, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "made.tar").write_bytes(convert("webdataset", made, dataset))

    read = list(webdataset.WebDataset(str(tmp_path / "made.tar"), shardshuffle=False).decode("l8"))

    assert [one["__key__"] for one in read] == [f"{i:06d}" for i in range(COUNT)]
    assert [one["cls"] for one in read[:-1]] == [i % 3 for i in range(COUNT - 1)]
    assert "cls" not in read[-1]
    assert read[1]["json"]["label"] == CLASSES[1]
    assert read[1]["json"]["neighbour"] == "2"
    assert (read[4]["png"] == dataset.images[4, ..., 0]).all()


def test_yolo_has_the_data_sets_own_images_to_validate_and_test(made: bytes, dataset: Dataset) -> None:
    with zipfile.ZipFile(io.BytesIO(convert("yolo", made, dataset))) as archive:
        names = archive.namelist()
        held_out = Image.open(io.BytesIO(archive.read("test/a_b/000024.png")))

    places = [PurePosixPath(name).parts[:-1] for name in names]
    classes = {"a_b", "a b", "ten"}
    assert {place[1] for place in places if place[:1] == ("train",)} == classes
    assert places.count(("train", "ten")) == 2
    assert places.count(("unlabelled",)) == 1
    assert sum(place[:1] == ("val",) for place in places) == 5, "the one without a label validates nothing"
    assert sum(place[:1] == ("test",) for place in places) == 6
    assert "manifest.csv" in names
    assert (np.asarray(held_out) == dataset.images[24, ..., 0]).all()


@pytest.mark.parametrize("layout", ["huggingface", "webdataset", "yolo"])
def test_images_without_any_label_need_no_classes(layout: Converted) -> None:
    rows = np.arange(10)
    plain = Dataset("plain", DIGITS.images[:10], None, (), rows[:6], rows[6:8], rows[8:], "tests")
    made = write_zip(list(plain.images[:4]), None, [{"source": i} for i in range(4)])

    converted = convert(layout, made, plain)

    match layout:
        case "huggingface":
            assert parquet.read_table(io.BytesIO(converted)).column_names == ["image", "source"]
        case "webdataset":
            with tarfile.open(fileobj=io.BytesIO(converted)) as archive:
                assert len(archive.getnames()) == 8
                told = archive.extractfile("000003.json")
                assert told is not None
                assert json.load(told) == {"file": "000003.png", "label": None, "source": "3"}
        case "yolo":
            with zipfile.ZipFile(io.BytesIO(converted)) as archive:
                assert sum(name.startswith("unlabelled/") for name in archive.namelist()) == 4


def test_the_same_images_give_the_same_bytes(made: bytes, dataset: Dataset) -> None:
    for layout in ("huggingface", "webdataset", "yolo"):
        assert convert(layout, made, dataset) == convert(layout, made, dataset)
