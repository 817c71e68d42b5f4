"""Zips of images as every program writes them: what is taken, what is passed over, what is refused."""

from __future__ import annotations

import io
import stat
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug.errors import InvalidInput, LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.pixels import Limits, encode_png
from latentaug.imaging.zips import read_zip
from tests.domain.imaging.zips import IMAGE, LIMITS, PNG, zipped


def _zip_of_raw_names(names: list[bytes]) -> bytes:
    """A zip of images whose names have these bytes and no flag for UTF-8, as older programs write them."""
    stand_ins = [f"{i:04}".ljust(len(name), "Q") for i, name in enumerate(names)]
    data = zipped(dict.fromkeys(stand_ins, PNG))
    for stand_in, name in zip(stand_ins, names, strict=True):
        data = data.replace(stand_in.encode(), name)
    return data


def _link(archive: zipfile.ZipFile, name: str, target: str) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, target)


def test_folders_are_labels() -> None:
    folder = read_zip(zipped({"set/cat/1.png": PNG, "set/dog/1.png": PNG, "set/cat/2.PNG": PNG}), LIMITS)
    assert folder.labels == ["cat", "dog", "cat"]
    assert np.array_equal(folder.images[2], IMAGE)


def test_images_in_no_folder_have_no_labels() -> None:
    assert read_zip(zipped({"1.png": PNG, "2.png": PNG}), LIMITS).labels is None


@pytest.mark.parametrize(
    "folder", ["unlabelled", "unlabeled", "UNLABELED", "top/Unlabelled", "unlabelled/2024/may", "unlabelled/a"]
)
def test_images_below_a_folder_of_unlabelled_ones_have_no_label(folder: str) -> None:
    assert read_zip(zipped({"a/1.png": PNG, f"{folder}/2.png": PNG}), LIMITS).labels == ["a", None]


def test_a_class_folder_may_have_a_name_that_is_only_like_it() -> None:
    entries = {"a/1.png": PNG, "unlabelled-2/2.png": PNG, "a/unlabelled.png": PNG}
    assert read_zip(zipped(entries), LIMITS).labels == ["a", "unlabelled-2", "a"]


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "a\\..\\evil.png", "C:\\evil.png"]
)
def test_a_path_that_leaves_the_zip_is_refused(name: str) -> None:
    with pytest.raises(MalformedInput, match="leads out"):
        read_zip(zipped({name: PNG}), LIMITS)


def test_a_file_without_a_name_is_refused() -> None:
    data = zipped({"a.png": PNG}).replace(b"a.png", b"\0.png")
    with pytest.raises(MalformedInput, match="not a readable zip"):
        read_zip(data, LIMITS)


def test_some_labelled_and_some_not_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"1\.png"):
        read_zip(zipped({"1.png": PNG, "a/2.png": PNG}), LIMITS)


def test_an_empty_zip_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no images"):
        read_zip(zipped({}), LIMITS)


def test_a_zip_bomb_is_refused_from_its_directory() -> None:
    with pytest.raises(TooLarge):
        read_zip(zipped({"a/1.png": bytes(200_000)}), LIMITS)
    with pytest.raises(TooLarge):
        read_zip(zipped({f"a/{i}.png": PNG for i in range(11)}), LIMITS)


@given(position=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 20))
def test_no_zip_bytes_get_past_our_own_errors(position: int, value: int, cut: int) -> None:
    data = bytearray(zipped({"a/1.png": PNG, "b/2.png": PNG}))
    data[position % len(data)] = value
    try:
        read_zip(bytes(data[: len(data) - cut]), LIMITS)
    except LatentaugError as error:
        assert error.status in (400, 413, 422)


@pytest.mark.parametrize(
    "other",
    [
        *(
            "__MACOSX/a/._1.png",
            "a/.DS_Store",
            "a/._1.png",
            "a/.ipynb_checkpoints/1.png",
            ".trash/2.png",
            "@eaDir/x.png",
        ),
        *("a/Thumbs.db", "a/thumbs.db", "a/Desktop.ini", "README.md", "README.roboflow.txt", "LICENSE", "labels.csv"),
        *("data.yaml", "_annotations.coco.json", "a/1.xml", "a/1.txt"),
    ],
)
def test_what_is_no_image_or_is_hidden_is_passed_over_and_named(other: str) -> None:
    folder = read_zip(zipped({"a/1.png": PNG, "b/1.png": PNG, other: b"x"}), LIMITS)

    assert folder.labels == ["a", "b"]
    assert len(folder.warnings) == 1
    assert other.split("/", maxsplit=1)[0] in folder.warnings[0]


def test_all_that_is_passed_over_is_one_sentence_and_our_own_manifest_is_none() -> None:
    others = {f"__MACOSX/a/._{i}.png": b"x" for i in range(9)} | {f"{i}.txt": b"x" for i in range(9)}

    told = read_zip(zipped({"a/1.png": PNG, "b/1.png": PNG, "manifest.csv": b"file\n", **others}), LIMITS).warnings

    assert told == [
        "18 files are no images or are hidden, and were passed over: __MACOSX/, 0.txt, 1.txt, 2.txt, 3.txt and 5 more."
    ]


def test_an_image_needs_no_suffix() -> None:
    assert read_zip(zipped({"a/1": PNG, "b/2.png?size=large": PNG}), LIMITS).labels == ["a", "b"]


def test_every_image_that_cannot_be_read_is_named_at_once() -> None:
    entries = {
        "a/1.png": PNG,
        "b/2.png": PNG[:30],
        "b/3.jpg": b"<html>",
        "b/4.heic": b"\0\0\0\x18ftypheic",
        "b/5.png": b"",
    }

    with pytest.raises(MalformedInput) as refused:
        read_zip(zipped(entries), LIMITS)

    assert refused.value.detail.startswith("4 images cannot be read: ")
    for name in list(entries)[1:]:
        assert name in refused.value.detail
    assert "a web page" in refused.value.detail
    assert "HEIC is not read" in refused.value.detail
    assert [file for file, _ in refused.value.fields] == list(entries)[1:]


def test_many_images_that_cannot_be_read_are_counted() -> None:
    entries = {"a/1.png": PNG} | {f"b/{i}.png": b"x" for i in range(1500)}

    with pytest.raises(MalformedInput, match=r"1,500 images .* and 1,480 more; leave such images out") as refused:
        read_zip(zipped(entries), Limits())

    assert len(refused.value.fields) == 1000


def test_those_that_cannot_be_read_are_left_out_if_that_is_asked_for() -> None:
    folder = read_zip(zipped({"a/1.png": PNG, "b/2.png": PNG[:30], "b/3.png": PNG}), LIMITS, skip_bad=True)

    assert (folder.names, folder.labels) == (["a/1.png", "b/3.png"], ["a", "b"])
    assert [bad.file for bad in folder.unreadable] == ["b/2.png"]
    assert folder.warnings[0].startswith("Left out, as they cannot be read: b/2.png: broken")
    with pytest.raises(MalformedInput, match="set skip_bad=true"):
        read_zip(zipped({"a/1.png": PNG, "b/2.png": PNG[:30]}), LIMITS, skip_bad=False)


def test_a_file_whose_bytes_are_damaged_in_the_zip_is_named_like_any_other() -> None:
    data = zipped({"a/1.png": PNG, "b/2.png": PNG}, zipfile.ZIP_STORED)
    last = data.rindex(b"IEND")

    with pytest.raises(MalformedInput, match=r"b/2\.png: its bytes in the zip are damaged"):
        read_zip(data[:last] + b"X" + data[last + 1 :], LIMITS)


def test_backslashes_separate_folders() -> None:
    names = [f"photos\\{label}\\{i}.png".encode() for label in "ab" for i in range(2)]

    assert Counter(read_zip(_zip_of_raw_names(names), LIMITS).labels or ()) == {"a": 2, "b": 2}


def test_a_file_has_the_name_that_is_written_beside_its_bytes() -> None:
    data = zipped({"a/1.png": PNG, "b/2.png": PNG}, zipfile.ZIP_STORED)
    directory = data.index(b"PK\x01\x02")

    folder = read_zip(data[:directory] + data[directory:].replace(b"b/2.png", b"a/1.png"), LIMITS)

    assert folder.names == ["a/1.png", "b/2.png"]


def test_colons_and_a_leading_dot_do_no_harm() -> None:
    entries = {"./a/2024-01-01T12:00:00.png": PNG, "./b/1.png": PNG}

    assert read_zip(zipped(entries), LIMITS).names == ["a/2024-01-01T12:00:00.png", "b/1.png"]


def test_names_are_utf_8_wherever_they_can_be() -> None:
    names = [f"{label}/1.png".encode() for label in ("café", "猫")]

    folder = read_zip(_zip_of_raw_names(names), LIMITS)

    assert (folder.labels, folder.warnings) == (["café", "猫"], [])


def test_other_names_are_western_european_and_that_is_said() -> None:
    folder = read_zip(_zip_of_raw_names([f"{label}/1.png".encode("cp437") for label in ("müll", "öl")]), LIMITS)

    assert folder.labels == ["müll", "öl"]
    assert "Western European" in folder.warnings[0]


@pytest.mark.parametrize(
    ("label", "encoding"), [("狗", "gbk"), ("表", "shift_jis"), ("ソース", "shift_jis"), ("고양이", "euc_kr")]
)
def test_names_in_another_encoding_are_never_taken_for_what_they_are_not(label: str, encoding: str) -> None:
    with pytest.raises(MalformedInput, match="encoding") as refused:
        read_zip(_zip_of_raw_names([f"{label}/{i}.png".encode(encoding) for i in range(3)]), LIMITS)

    assert f"{label}/0.png" in refused.value.detail


def test_accents_are_one_letter_however_they_are_written() -> None:
    folder = read_zip(zipped({"caf\u00e9/1.png": PNG, "cafe\u0301/2.png": PNG, "a/1.png": PNG}), LIMITS)

    assert folder.labels == ["café", "café", "a"]


def test_a_link_is_what_it_leads_to_inside_the_zip() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("set/a/1.png", PNG)
        archive.writestr("set/a/2.png", PNG)
        _link(archive, "set/b", "a")
        _link(archive, "set/c/1.png", "../a/1.png")

    folder = read_zip(out.getvalue(), LIMITS)

    assert sorted(folder.names) == ["set/a/1.png", "set/a/2.png", "set/b/1.png", "set/b/2.png", "set/c/1.png"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.png", "2.png", "loop.png"])
def test_a_link_that_leads_to_nothing_in_the_zip_is_named(target: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/1.png", PNG)
        _link(archive, "a/loop.png", target)

    with pytest.raises(MalformedInput, match=r"a/loop\.png: a link that leads to nothing"):
        read_zip(out.getvalue(), LIMITS)


def test_links_cannot_stand_for_more_files_than_a_zip_may_hold() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(100):
            archive.writestr(f"a/{i}.png", b"")
            _link(archive, f"b{i}", "a")

    with pytest.raises(TooLarge, match="links"):
        read_zip(out.getvalue(), LIMITS)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x1f\x8b\x08\0aaaa", "gzip"),
        (b"Rar!\x1a\x07\0abc", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"<html>", "web page"),
    ],
)
def test_another_kind_of_archive_is_called_what_it_is(data: bytes, kind: str) -> None:
    with pytest.raises(MalformedInput, match=kind):
        read_zip(data, LIMITS)


def test_a_zip_in_a_zip_and_one_with_a_password_are_told() -> None:
    with pytest.raises(InvalidInput, match=r"no images, only inner\.zip"):
        read_zip(zipped({"inner.zip": zipped({"a/1.png": PNG})}), LIMITS)
    locked = bytearray(zipped({"a/1.png": PNG}))
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(MalformedInput, match="password"):
        read_zip(bytes(locked), LIMITS)


def test_large_photos_are_resized_one_by_one_and_that_is_said() -> None:
    photo = encode_png(np.zeros((99, 99, 3), np.uint8))

    folder = read_zip(zipped({f"a/{i}.png": photo for i in range(9)}), LIMITS, size=(8, 16))

    assert {image.shape for image in folder.images} == {(8, 16, 3)}
    assert "9 images were resized to 8x16 from 99x99, with the aspect kept and the rest filled." in folder.warnings


@pytest.mark.parametrize(
    ("part", "said"),
    [(slice(-30), "its end is missing"), (slice(4, None), "pack them again"), (slice(4, 40), "it is something")],
)
def test_a_zip_that_is_cut_says_what_to_do(part: slice, said: str) -> None:
    with pytest.raises(MalformedInput, match=said):
        read_zip(zipped({"a/1.png": PNG})[part], LIMITS)


def test_images_that_would_be_too_many_once_they_are_resized_are_refused_before_any_is_decoded() -> None:
    tiny = {f"a/{i}.png": b"not even an image" for i in range(101)}

    with pytest.raises(TooLarge, match="at most 100"):
        read_zip(zipped(tiny), Limits(max_bytes=100 * 16 * 16), size=(16, 16))


def test_photos_that_are_resized_are_bounded_in_what_is_decoded_of_them() -> None:
    photo = encode_png(np.zeros((1000, 1000, 1), np.uint8))
    few, many = (zipped({f"a/{i}.png": photo for i in range(n)}) for n in (3, 6))
    limits = Limits(max_bytes=2**18)

    assert len(read_zip(few, limits, size=(8, 8)).images) == 3
    with pytest.raises(TooLarge, match="too much work to decode"):
        read_zip(many, limits, size=(8, 8))
