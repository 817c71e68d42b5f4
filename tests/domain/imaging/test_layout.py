"""Labels and parts by folders, and what is said about folders that may be meant otherwise."""

from __future__ import annotations

import pytest

from latentaug.errors import InvalidInput
from latentaug.imaging.layout import arrange, told_passed_over


def _paths(*folders: str, each: int = 2) -> list[str]:
    return [f"{folder}/{i}.png".lstrip("/") for folder in folders for i in range(each)]


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        (["a", "b"], ["a", "b"]),
        (["photos/a", "photos/b"], ["a", "b"]),
        (["one/two/a", "one/two/b"], ["a", "b"]),
        (["a/images", "b/images"], ["a", "b"]),
        (["a", "b/imgs"], ["a", "b"]),
        (["images/a", "images/b"], ["a", "b"]),
        (["images", "masks"], ["images", "masks"]),
        (["photos/a", "photos/unlabelled/2024"], ["a", None]),
        (["Cat", "dog 2"], ["Cat", "dog 2"]),
    ],
)
def test_the_innermost_folder_is_the_label_unless_it_only_holds_images(
    folders: list[str], labels: list[str | None]
) -> None:
    found = arrange(_paths(*folders, each=1))

    assert (found.labels, found.parts) == (labels, None)


@pytest.mark.parametrize("folder", ["", "images", "train"])
def test_images_in_no_folder_of_their_own_have_no_labels(folder: str) -> None:
    assert arrange(_paths(folder)).labels is None


def test_one_folder_around_everything_is_told_of() -> None:
    found = arrange(_paths("photos"))

    assert found.labels == ["photos"] * 2
    assert "there is one class, 'photos'" in found.warnings[0]


@pytest.mark.parametrize(
    ("folders", "labels", "parts"),
    [
        (["train/a", "valid/a", "test/b"], ["a", "a", "b"], ["train", "validation", "test"]),
        (["top/Train/a", "top/val/b"], ["a", "b"], ["train", "validation"]),
        (["a/train", "b/test"], ["a", "b"], ["train", "test"]),
        (["train/a/images", "test/b/images"], ["a", "b"], ["train", "test"]),
        (["train/a", "test/b", "unlabelled"], ["a", "b", None], ["train", "test", None]),
        (["train/a", "train/unlabelled", "test/b"], ["a", None, "b"], ["train", "train", "test"]),
        (["training_set/a", "validation data/a", "TEST-1/b"], ["a", "a", "b"], ["train", "validation", "test"]),
        (["train2017", "val2017"], None, ["train", "validation"]),
        (["train/a", "train/b", "test"], ["a", "b", None], ["train", "train", "test"]),
        (["train/a", "train/b", "test/images"], ["a", "b", None], ["train", "train", "test"]),
        (["images/train", "images/val"], None, ["train", "validation"]),
        (["train/images", "valid/images"], None, ["train", "validation"]),
        (["train", "bus", "test"], ["train", "bus", "test"], None),
        (["train", "testament"], ["train", "testament"], None),
        (["test", "val"], ["test", "val"], None),
    ],
)
def test_folders_of_parts_are_parts(
    folders: list[str], labels: list[str | None] | None, parts: list[str | None] | None
) -> None:
    found = arrange(_paths(*folders, each=1))

    assert (found.labels, found.parts) == (labels, parts)


@pytest.mark.parametrize("folders", [["a", ""], ["photos/a", "photos"], ["train/a", "train", "test/a"]])
def test_images_beside_class_folders_are_refused_by_name(folders: list[str]) -> None:
    with pytest.raises(InvalidInput, match=r"0\.png' lies beside the class folders"):
        arrange(_paths(*folders))


def test_they_are_counted() -> None:
    for each, told in ((1, r"class folders; move it into"), (2, "and so does 1 more; move them"), (4, "so do 3 more")):
        with pytest.raises(InvalidInput, match=told):
            arrange([*_paths("a"), *_paths("", each=each)])


@pytest.mark.parametrize(("label", "what"), [("x" * 150, "150 characters"), ("cat\u200b", "cannot be seen")])
def test_a_folder_whose_name_cannot_be_a_label_is_named(label: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        arrange(_paths("a", label))


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (["a", "b", "b/close"], "A folder in a class folder is a class of its own: b/close."),
        (
            ["cats/red", "dogs/red", "dogs/blue"],
            "Folders of the same name are one class: red (such as cats/red, dogs/red).",
        ),
        (["Cat", "cat", "dog"], "differ only in capitals, spaces or accents: 'Cat', 'cat'"),
        (["cat ", "cat", "dog"], "differ only in capitals, spaces or accents: 'cat', 'cat '"),
    ],
)
def test_what_may_be_meant_otherwise_is_said(folders: list[str], told: str) -> None:
    assert told in " ".join(arrange(_paths(*folders)).warnings)


@pytest.mark.parametrize("folders", [["train", "test"], ["train/images", "valid/images"], ["set/train", "set/test1"]])
def test_parts_without_classes_are_said_to_give_no_labels(folders: list[str]) -> None:
    laid_out = arrange(_paths(*folders))

    assert laid_out.labels is None
    assert laid_out.warnings == [
        "No image lies in the folder of a class, so none has a label. If there are classes, give each a folder."
    ]
    assert arrange(_paths("train/unlabelled", "test/unlabelled")).warnings == []


def test_a_table_that_was_meant_to_give_labels_is_named_where_there_are_none() -> None:
    passed_over = ["labels.csv", "README.md", "manifest.csv"]

    assert len(told_passed_over(passed_over)) == len(told_passed_over(passed_over[1:], has_classes=False)) == 1
    told = told_passed_over(passed_over, has_classes=False)[1]
    assert "none is read from labels.csv: put the images of each class into a folder of its own" in told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([".trash/"], "1 hidden folder was passed over: .trash/."),
        ([".trash/...", "a/@eaDir/..."], "2 hidden folders were passed over: .trash/, a/@eaDir/."),
        (["a.txt"], "1 file is no image or is hidden, and was passed over: a.txt."),
        (
            [".git/", "a.txt"],
            "1 file and 1 hidden folder are no images or are hidden, and were passed over: .git/, a.txt.",
        ),
        ([".x/1.png", ".x/2.png"], "2 files are no images or are hidden, and were passed over: .x/."),
    ],
)
def test_a_hidden_folder_that_stands_for_all_it_holds_is_no_file(names: list[str], told: str) -> None:
    assert told_passed_over(names) == [told]


def test_plain_class_folders_need_no_word() -> None:
    assert arrange(_paths("a", "b", "unlabelled")).warnings == []
    assert arrange(_paths("a", "A", "é", "e", "+", ",", "c", "c++")).warnings == []
