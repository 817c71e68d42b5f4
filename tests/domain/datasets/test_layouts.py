"""What a job made, in the layouts of other tools."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from latentaug.datasets import digits
from latentaug.datasets.dataset import Dataset
from latentaug.datasets.layouts import convert, examples
from latentaug.imaging.archives import write_zip
from latentaug.options import Converted
from tests.domain.datasets.conftest import CLASSES, COUNT

DIGITS = digits.load()


def test_a_zip_is_read_in_the_order_of_its_manifest(made: bytes, dataset: Dataset) -> None:
    found = list(examples(made))

    assert [one.label for one in found] == [*(CLASSES[i % 3] for i in range(COUNT - 1)), None]
    assert [int(one.row["source"]) for one in found] == list(range(COUNT))
    for one, image in zip(found, dataset.images, strict=False):
        assert (np.asarray(Image.open(io.BytesIO(one.png))) == image[..., 0]).all()


def test_parquet_columns_have_the_narrowest_type_that_holds_them(made: bytes, dataset: Dataset) -> None:
    table = parquet.read_table(io.BytesIO(convert("huggingface", made, dataset)))

    types = {name: table.schema.field(name).type for name in ("source", "alpha", "method", "seed")}
    assert types == {"source": pa.int64(), "alpha": pa.float64(), "method": pa.string(), "seed": pa.string()}
    assert table["seed"].null_count == COUNT
    assert table["image"].to_pylist()[0]["path"].endswith(".png")


def test_yolo_has_the_data_sets_own_images_to_validate_and_test(made: bytes, dataset: Dataset) -> None:
    with zipfile.ZipFile(io.BytesIO(convert("yolo", made, dataset))) as archive:
        names = archive.namelist()
        held_out = Image.open(io.BytesIO(archive.read("test/a_b/000024.png")))
        manifest = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))

    places = [PurePosixPath(name).parts[:-1] for name in names]
    classes = {"a_b", "a b", "ten"}
    assert {place[1] for place in places if place[:1] == ("train",)} == classes
    assert places.count(("train", "ten")) == 2
    assert places.count(("unlabelled",)) == 1
    assert sum(place[:1] == ("val",) for place in places) == 5, "the one without a label validates nothing"
    assert sum(place[:1] == ("test",) for place in places) == 6
    assert [row["file"] for row in manifest] == [name for name in names if name.startswith(("train/", "unlabelled/"))]
    assert [int(row["source"]) for row in manifest] == list(range(COUNT))
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
