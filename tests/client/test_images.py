"""Images in whatever form callers have them: taken where they can be nothing else, otherwise told what to do."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from latentaug_client import calls
from latentaug_client.images import gathered
from latentaug_client.zips import folder_labels, zipped_batch
from PIL import Image

GREY = np.random.default_rng(0).integers(2, 256, (4, 8, 9), np.uint8)
COLOUR = np.random.default_rng(1).integers(2, 256, (4, 8, 9, 3), np.uint8)


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "images",
    [
        GREY,
        list(GREY),
        torch.from_numpy(GREY),
        [torch.from_numpy(image) for image in GREY],
        GREY.tolist(),
        GREY.astype(np.int64),
        (image for image in GREY),
    ],
    ids=["array", "arrays", "tensor", "tensors", "lists", "integers", "generator"],
)
def test_what_holds_grey_levels_is_one_array(images: Any) -> None:
    found = gathered(images)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.uint8
    assert (found == GREY).all()


def test_floats_stay_what_they_are_and_truths_are_black_and_white() -> None:
    assert gathered(GREY / 255) is not None
    assert np.asarray(gathered(GREY / 255)).dtype == np.float64
    assert np.unique(np.asarray(gathered(GREY > 99))).tolist() == [0, 255]
    assert np.asarray(gathered(GREY.astype(np.int64) * 10)).dtype == np.int64, "for the service to refuse"


def test_files_are_their_bytes_wherever_they_are(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path, image in zip(paths, COLOUR, strict=True):
        path.write_bytes(png(image))
    files = [png(image) for image in COLOUR]
    assert gathered(sorted(tmp_path.glob("*.png"))) == files
    assert gathered(path for path in paths) == files
    assert gathered([str(path) for path in paths]) == files
    assert gathered(files) == files
    with paths[0].open("rb") as file:
        assert gathered([file]) == files[:1]
        with pytest.raises(TypeError, match="before it has been read"):
            gathered([file])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_a_picture_of_any_mode_is_sent_as_it_looks(mode: str) -> None:
    picture = Image.fromarray(COLOUR[0])
    picture = picture.convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (9, 8))
    (sent,) = gathered([picture])
    seen = Image.open(io.BytesIO(sent))
    assert np.array_equal(np.asarray(seen.convert("RGB")), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        ([], "give at least one"),
        ((image for image in []), "give at least one"),
        (GREY[0], r"given as image\[None\]"),
        (GREY.reshape(4, -1), r"given as rows.reshape\(-1, height, width\)"),
        (COLOUR[0], r"give it as image\[None\]"),
        (COLOUR.transpose(0, 3, 1, 2), r"give images.transpose\(0, 2, 3, 1\)"),
        ([GREY[0], GREY[0, :4]], "several shapes"),
        ([GREY[0], png(GREY[0])], "in one form"),
        ("photo.png", r"\[path\]"),
        (Path("photo.png"), r"\[path\]"),
        (Path("/"), "is a folder; upload it"),
        (png(GREY[0]), r"\[image\]"),
        (Image.fromarray(GREY[0]), r"\[image\]"),
        ([Image.fromarray(GREY[0].astype(np.float32))], r"image.convert\('L'\)"),
        ([3, 4], "a int is no image"),
        ({"a.png": GREY[0]}, "this is a dict and no list of images"),
        ({"b.png", "a.png"}, "this is a set and no list of images"),
        (7, "this is a int and no list of images"),
        (None, "this is a NoneType and no list of images"),
    ],
)
def test_what_could_be_misread_is_told_what_to_give(images: Any, advice: str) -> None:
    with pytest.raises((TypeError, ValueError), match=advice):
        gathered(images)


def test_labels_name_folders_or_are_refused() -> None:
    files = [png(image) for image in GREY]
    with zipfile.ZipFile(io.BytesIO(zipped_batch(files, ["cat", None, "big dog", "cat"]))) as archive:
        names = archive.namelist()
        assert [archive.read(name) for name in names] == files, "in their order"
    assert [name.split("/")[0] for name in names] == ["cat", "unlabelled", "big dog", "cat"]
    assert "/" not in zipfile.ZipFile(io.BytesIO(zipped_batch(files, None))).namelist()[0]
    for label in ("train", "valid", "Images", "unlabelled", "a/b", "..", ".hidden"):
        with pytest.raises(ValueError, match="cannot name a folder"):
            zipped_batch(files, [label, "a", "a", "a"])
    assert folder_labels(["train", "a/b", "cat", None]).tolist() == ["label 3", "label 1", "cat", ""]


@pytest.mark.parametrize("size", [(48,), (48, 64, 3)])
def test_a_size_is_a_height_and_a_width(size: Any) -> None:
    with pytest.raises(ValueError, match=r"such as \(48, 64\) or '48x64'"):
        calls.upload("photos", GREY, None, None, size)


def test_a_size_may_be_typed_as_on_the_command_line() -> None:
    for size in ("48x64", (48, 64)):
        assert calls.upload("photos", GREY, None, None, size).params["size"] == "48x64"
