"""Photos of more pixels than a service reads: scaled down on this machine, or named with what to do."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from latentaug_client import Client
from latentaug_client.folders import read_folder
from PIL import Image

from latentaug.errors import MalformedInput
from latentaug.imaging.pixels import Limits
from service.cli.folders import read
from service.cli.names import MOST_AT_ONCE, _upload
from service.cli.reading import ReadAs
from service.cli.scaling import LARGE_FILE, is_large, scaled
from tests.pictures import decode_image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo of more than 16 million pixels among small ones."""
    (tmp_path / "a").mkdir()
    for i in range(3):
        Image.new("L", (64, 48), 40 * i).save(tmp_path / "a" / f"{i}.png")
    Image.new("L", (5000, 3750), 200).save(tmp_path / "a" / "camera.png")
    return tmp_path


def test_a_photo_of_too_many_pixels_is_refused_with_what_to_do(photos: Path) -> None:
    with pytest.raises(MalformedInput, match=r"a/camera\.png: the image is 5000x3750.*give --size"):
        read(photos)


def test_a_photo_that_cannot_be_scaled_down_either_is_not_told_to_be(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a" / "poster.png")
    for how in (ReadAs(), ReadAs(size=(64, 64))):
        with pytest.raises(MalformedInput, match="more pixels than are read, 67,108,864; save it smaller") as refused:
            read(tmp_path, how)
        assert "--size" not in refused.value.detail


def test_where_it_is_scaled_down_it_is_read(photos: Path) -> None:
    assert read(photos, ReadAs(size=(48, 64))).images == 4
    with zipfile.ZipFile(io.BytesIO(scaled(read_folder(photos), (48, 64)))) as archive:
        image = decode_image(archive.read("a/camera.png"), Limits())
    assert image.shape == (48, 64, 1)
    assert np.unique(image).tolist() == [200]


def test_a_folder_that_no_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for i in range(3):
        path = tmp_path / "video" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.truncate(path, MOST_AT_ONCE // 2)
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match="give --size 64x64"):
        _upload(client, "video", tmp_path / "video", ReadAs())


def test_one_large_file_is_enough_for_that(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.touch()
    os.truncate(large, LARGE_FILE + 1)
    assert not is_large([small])
    assert is_large([small, large])
