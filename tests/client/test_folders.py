"""Folders as they are on people's disks: what is read, what is passed over, where links lead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from latentaug_client import folders
from latentaug_client.folders import read_folder, zipped

from latentaug.errors import MalformedInput
from latentaug.imaging import formats, layout
from latentaug.imaging.pixels import Limits
from latentaug.imaging.zips import read_zip
from tests.domain.imaging.test_zips import PNG


def _write(folder: Path, *names: str, content: bytes = PNG) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_the_client_knows_the_same_images_and_system_folders_as_the_service() -> None:
    assert folders.SUFFIXES == formats.IMAGE_SUFFIXES
    assert folders.OTHER_IMAGES == formats.OTHER_IMAGES
    assert folders.SYSTEM_FOLDERS == layout.SYSTEM_FOLDERS
    assert folders.MANIFEST == layout.MANIFEST
    for head in (
        PNG,
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"RIFF1234WEBPVP8 ",
        b"\0\0\0 ftypavif",
        b"PK",
        b"",
    ):
        assert folders.is_known_head(head) == formats.is_known_head(head)


def test_a_folder_and_its_zip_are_read_alike(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.png", "a/2.JPG", "b/3", "c/images/4.bmp", "unlabelled/x/5.gif", "d/6.heic")
    _write(tmp_path, "README.md", "a/Thumbs.db", "manifest.csv", "a/.DS_Store", content=b"x")
    _write(tmp_path, "__MACOSX/a/._1.png", ".trash/7.png", "a/.ipynb_checkpoints/1-checkpoint.png")

    found = read_folder(tmp_path)

    assert list(found.images) == ["a/1.png", "a/2.JPG", "b/3", "c/images/4.bmp", "d/6.heic", "unlabelled/x/5.gif"]
    assert found.others == [".trash/", "README.md", "__MACOSX/", "a/.DS_Store", "a/.ipynb_checkpoints/", "a/Thumbs.db"]
    read = read_zip(zipped(found), Limits())
    assert read.names == list(found.images)
    assert read.labels == ["a", "a", "b", "c", "d", None]
    assert read.warnings == [
        "3 files and 3 hidden folders are no images or are hidden, and were passed over: .trash/, README.md, "
        "__MACOSX/, a/.DS_Store, a/.ipynb_checkpoints/ and 1 more."
    ]


def test_links_are_followed_once_on_the_way_down(tmp_path: Path) -> None:
    _write(tmp_path, "set/real/1.png", "elsewhere/2.png")
    (tmp_path / "set" / "linked").symlink_to("../elsewhere")
    (tmp_path / "set" / "real" / "file.png").symlink_to("../../elsewhere/2.png")
    (tmp_path / "set" / "real" / "loop").symlink_to("..")

    assert list(read_folder(tmp_path / "set").images) == ["linked/2.png", "real/1.png", "real/file.png"]


def test_a_link_to_nothing_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.png")
    (tmp_path / "a" / "2.png").symlink_to("nowhere.png")

    with pytest.raises(MalformedInput, match=r"a/2\.png: a link that leads to nothing"):
        read_zip(zipped(read_folder(tmp_path)), Limits())


def test_only_what_is_hidden_inside_the_folder_counts(tmp_path: Path) -> None:
    _write(tmp_path / ".home" / "photos", "a/1.png")

    assert list(read_folder(tmp_path / ".home" / "photos").images) == ["a/1.png"]


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    _write(tmp_path, "notes.txt", content=b"x")

    with pytest.raises(ValueError, match=r"holds no images, only notes\.txt"):
        read_folder(tmp_path)


def test_accents_are_one_letter_however_they_are_written(tmp_path: Path) -> None:
    _write(tmp_path, "cafe\u0301/1.png", "caf\u00e9/2.png")

    assert list(read_folder(tmp_path).images) == ["caf\u00e9/1.png", "caf\u00e9/2.png"]
    _write(tmp_path, "caf\u00e9/1.png")
    with pytest.raises(ValueError, match="same name but for accents"):
        read_folder(tmp_path)


def test_a_name_that_is_no_text_does_no_harm(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.png", os.fsdecode(b"caf\xe9/2.png"))

    assert read_zip(zipped(read_folder(tmp_path)), Limits()).labels == ["a", "caf\ufffd"]
