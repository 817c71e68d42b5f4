"""What a job made, in the layouts of other tools."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from latentaug.datasets import digits
from latentaug.datasets.dataset import Dataset
from latentaug.datasets.layouts import IN_ONE_FILE, MadeZip, convert
from latentaug.imaging.archives import write_zip
from latentaug.imaging.growing import Growing
from latentaug.options import Converted
from tests.domain.datasets.conftest import CLASSES, COUNT, converted

DIGITS = digits.load()


def test_a_zip_is_read_in_the_order_of_its_manifest(made: bytes, dataset: Dataset) -> None:
    found = list(MadeZip(io.BytesIO(made), dataset.classes).examples())

    assert [one.label for one in found] == [*(CLASSES[i % 3] for i in range(COUNT - 1)), None]
    assert [int(one.row["source"]) for one in found] == list(range(COUNT))
    for one, image in zip(found, dataset.images, strict=False):
        assert (np.asarray(Image.open(io.BytesIO(one.png))) == image[..., 0]).all()


def test_parquet_columns_have_the_narrowest_type_that_holds_them(made: bytes, dataset: Dataset) -> None:
    table = parquet.read_table(io.BytesIO(converted("huggingface", made, dataset)))

    types = {name: table.schema.field(name).type for name in ("source", "alpha", "method", "seed", "reject_label")}
    numbers = {"source": pa.int64(), "alpha": pa.float64(), "reject_label": pa.bool_()}
    assert types == {**numbers, "method": pa.string(), "seed": pa.string()}
    assert table["reject_label"].to_pylist() == [i == 2 for i in range(COUNT)]
    assert table["seed"].null_count == COUNT
    assert table["image"].to_pylist()[0]["path"].endswith(".png")


def test_yolo_has_the_data_sets_own_images_to_validate_and_test(made: bytes, dataset: Dataset) -> None:
    with zipfile.ZipFile(io.BytesIO(converted("yolo", made, dataset))) as archive:
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


def test_the_files_that_images_were_made_of_become_a_column(made: bytes, dataset: Dataset) -> None:
    files = [f"photos/{i}.jpg" for i in range(30)]

    table = parquet.read_table(io.BytesIO(b"".join(IN_ONE_FILE["huggingface"](_with(made, dataset, files)))))
    tar = b"".join(IN_ONE_FILE["webdataset"](_with(made, dataset, files)))

    assert table["original"].to_pylist() == files[:COUNT]
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        sidecars = [json.load(archive.extractfile(name)) for name in archive.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    assert [told["original"] for told in sidecars] == files[:COUNT]


def _with(made: bytes, dataset: Dataset, originals: list[str]) -> MadeZip:
    return MadeZip(io.BytesIO(made), dataset.classes, originals)


def test_every_part_of_yolo_has_a_folder_for_every_class(made: bytes, dataset: Dataset, tmp_path: Path) -> None:
    few = replace(dataset, validation=dataset.validation[:1], test=dataset.test[:0])
    with zipfile.ZipFile(io.BytesIO(converted("yolo", made, few))) as archive:
        archive.extractall(tmp_path)  # noqa: S202 (we made it)

    classes = {part: sorted(path.name for path in (tmp_path / part).iterdir()) for part in ("train", "val", "test")}
    assert classes == dict.fromkeys(classes, sorted({"a_b", "a b", "ten"}))
    empty = {
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.glob("*/*")
        if path.is_dir() and not any(path.iterdir())
    }
    assert len(empty) == 5, "one class has an image to validate with, and none has one to test with"
    assert set((tmp_path / "README.txt").read_text().splitlines()[2:]) == empty


def test_where_no_folder_of_yolo_is_empty_nothing_is_said(made: bytes, dataset: Dataset) -> None:
    with zipfile.ZipFile(io.BytesIO(converted("yolo", made, dataset))) as archive:
        assert "README.txt" not in archive.namelist()
        assert not any(name.endswith("/") for name in archive.namelist())


def test_what_webdataset_tells_of_an_image_is_what_parquet_tells(made: bytes, dataset: Dataset) -> None:
    rows = parquet.read_table(io.BytesIO(converted("huggingface", made, dataset))).drop_columns(["image", "label"])
    with tarfile.open(fileobj=io.BytesIO(converted("webdataset", made, dataset))) as archive:
        sidecars = [json.load(archive.extractfile(name)) for name in archive.getnames() if name.endswith(".json")]  # type: ignore[arg-type]

    assert [{name: told[name] for name in rows.column_names} for told in sidecars] == rows.to_pylist()
    assert sidecars[1]["neighbour"] == 2
    assert sidecars[1]["alpha"] == 0.5
    assert sidecars[1]["seed"] is None


@pytest.mark.parametrize("layout", ["huggingface", "webdataset", "yolo"])
def test_images_without_any_label_need_no_classes(layout: Converted) -> None:
    rows = np.arange(10)
    plain = Dataset("plain", DIGITS.images[:10], None, (), rows[:6], rows[6:8], rows[8:], "tests")
    made = write_zip(list(plain.images[:4]), None, [{"source": i} for i in range(4)])

    laid_out = converted(layout, made, plain)

    match layout:
        case "huggingface":
            assert parquet.read_table(io.BytesIO(laid_out)).column_names == ["image", "source"]
        case "webdataset":
            with tarfile.open(fileobj=io.BytesIO(laid_out)) as archive:
                assert len(archive.getnames()) == 8
                told = archive.extractfile("000003.json")
                assert told is not None
                assert json.load(told) == {"file": "000003.png", "label": None, "source": 3}
        case "yolo":
            with zipfile.ZipFile(io.BytesIO(laid_out)) as archive:
                assert sum(name.startswith("unlabelled/") for name in archive.namelist()) == 4


def test_the_same_images_give_the_same_bytes(made: bytes, dataset: Dataset) -> None:
    for layout in ("huggingface", "webdataset", "yolo"):
        assert converted(layout, made, dataset) == converted(layout, made, dataset)


def test_what_is_large_comes_in_pieces(dataset: Dataset) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 256, 256, 3), np.uint8)
    made = write_zip(noise, ["ten"] * 100, [{"source": i, "label": "ten"} for i in range(100)])

    for layout in ("huggingface", "webdataset", "yolo"):
        pieces = list(convert(layout, io.BytesIO(made), dataset))
        assert sum(map(len, pieces)) > 0.9 * len(made), layout
        assert max(map(len, pieces)) < 0.9 * len(made), layout


def test_a_text_that_was_no_formula_for_a_spreadsheet_is_read_as_it_was(dataset: Dataset) -> None:
    hostile = "=cmd|' /C calc'!A0"
    made = write_zip(dataset.images[:1], [hostile], [{"method": "@x", "label": hostile}])

    (one,) = MadeZip(io.BytesIO(made), [hostile]).examples()

    assert (one.label, one.row["method"]) == (hostile, "@x")
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.read("manifest.csv").decode().splitlines()[1].endswith("png,'@x,'" + hostile)


@pytest.mark.parametrize("row", ["cut.png", "cut.png,ten,1,2"])
def test_a_manifest_with_lines_that_are_cut_is_not_taken(row: str, dataset: Dataset) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cut.png", b"")
        archive.writestr("manifest.csv", f"file,label,source\n{row}\n")

    with pytest.raises(csv.Error):
        MadeZip(out, dataset.classes)


def test_a_file_that_grows_can_be_changed_where_it_was_not_taken_yet() -> None:
    file = Growing()
    file.write(b"first")
    assert list(file.take(5)) == []
    assert list(file.take()) == [b"first"]
    file.write(b"second")
    file.seek(5)
    file.write(b"S")
    file.seek(0, io.SEEK_END)

    assert file.tell() == 11
    assert list(file.take()) == [b"Second"]
