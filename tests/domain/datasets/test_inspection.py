"""The look at the data at upload, and parts that the data came in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentaug import datasets
from latentaug.datasets import UNLABELLED, NotRead, Reading, Unreadable
from latentaug.datasets.splitting import split_as_given
from latentaug.errors import InvalidInput
from latentaug.imaging.intake import resized
from latentaug.imaging.sizes import proposed
from latentaug.storage.objects import ArtefactStore

MAX_BYTES = 10**9


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path.as_uri())


def _images(n: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, height, width, 1), dtype=np.uint8)


def _files(n: int) -> list[str]:
    return [f"{i}.png" for i in range(n)]


def test_clean_images_need_no_word(store: ArtefactStore) -> None:
    assert datasets.create(store, "clean", _images(40), ["a", "b"] * 20, MAX_BYTES).warnings == []


def test_images_of_one_colour_and_dark_ones_are_named(store: ArtefactStore) -> None:
    images = _images(40)
    images[3] = 255
    images[5] = images[5] // 10

    told = datasets.create(store, "dull", images, None, MAX_BYTES, files=_files(40)).warnings

    assert told == [
        "1 image is of one colour all over: 3.png.",
        "1 image is nearly black, with no value above 31 of 255: 5.png.",
    ]


def test_one_colour_need_not_be_grey(store: ArtefactStore) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images[7] = (200, 30, 0)
    images[9, ..., 1:] = 0  # shades of red

    told = datasets.create(store, "poster", images, None, MAX_BYTES, files=_files(40)).warnings

    assert told == ["1 image is of one colour all over: 7.png."]


@pytest.mark.parametrize(("top", "factor"), [(1, 255), (16, 15)])
def test_values_that_are_all_next_to_nothing_are_pointed_out_once(store: ArtefactStore, top: int, factor: int) -> None:
    images = (_images(40) % (top + 1)).astype(np.uint8)

    told = datasets.create(store, "masks", images, None, MAX_BYTES).warnings

    assert f"No value of any image is above {top}, of 255" in told[0]
    assert f"multiply the values by {factor}" in told[0]
    assert not any("nearly black, with" in line for line in told)


def test_classes_too_small_for_neighbours_are_named_with_what_they_can_have(store: ArtefactStore) -> None:
    labels = ["a"] * 30 + ["rare"] * 2 + ["rarer"] * 3

    told = datasets.create(store, "rare", _images(35), labels, MAX_BYTES).warnings

    assert told == [
        "2 classes have fewer than 4 images, too few for 3 neighbours each: rare (2), rarer (3). Add images, or set k "
        "to 1 at most."
    ]


def test_classes_with_too_few_images_to_train_on_are_told_apart_from_small_ones(store: ArtefactStore) -> None:
    labels = ["a"] * 30 + ["few"] * 5 + ["rare"] * 3

    described = datasets.create(store, "few", _images(38), labels, MAX_BYTES)

    assert (described.classes, described.class_counts) == (["a", "few", "rare"], [30, 5, 3])
    loaded = datasets.load("few", store, [])
    assert loaded.labels is not None
    assert described.train_counts == np.bincount(loaded.labels[loaded.train]).tolist() == [18, 3, 2]
    assert described.warnings == [
        "1 class has fewer than 4 images, too few for 3 neighbours each: rare (3). Add images, or set k to 2 at most.",
        "1 class has fewer than 4 images to train on, as the others are for validation and test: few (3 of 5). For a "
        "job that makes new images of the training part alone, set k to 1 at most.",
    ]


@pytest.mark.parametrize("name", ["nan", "None", "<NA>"])
def test_a_class_that_reads_like_a_missing_label_is_pointed_out(store: ArtefactStore, name: str) -> None:
    told = datasets.create(store, "gaps", _images(40), [name, "cat"] * 20, MAX_BYTES).warnings

    assert len(told) == 1
    assert f"There is a class named {name!r}, as missing labels read once they are texts." in told[0]


def test_folders_that_capital_letters_tell_apart_are_pointed_out_once(store: ArtefactStore) -> None:
    labels = ["Cat", "cat"] * 20

    assert datasets.create(store, "read", _images(40), labels, MAX_BYTES, files=_files(40)).warnings == []


def test_classes_that_only_capital_letters_tell_apart_are_pointed_out_but_not_letters(store: ArtefactStore) -> None:
    words, letters = ["cat"] * 10 + ["Cat"] * 10 + ["dog"] * 10, ["a"] * 10 + ["A"] * 20

    of_words, of_letters = (
        datasets.create(store, name, _images(30), labels, MAX_BYTES).warnings
        for name, labels in (("words", words), ("letters", letters))
    )

    assert of_words == [
        "Only capital letters tell these classes apart: Cat and cat. Give those that are one the same name."
    ]
    assert of_letters == []


def test_images_of_several_sizes_are_refused_with_names_and_a_size_that_suits(store: ArtefactStore) -> None:
    mixed = [*_images(3, 16, 24), *_images(2, 16, 16)]
    with pytest.raises(
        InvalidInput, match=r"3 images are 16x24 \(such as 0\.png\), 2 images are 16x16 \(such as 3\.png\)"
    ) as e:
        datasets.create(store, "mixed", mixed, None, MAX_BYTES, files=_files(5))
    assert "size=16x24" in e.value.detail

    told = datasets.create(store, "mixed", mixed, None, MAX_BYTES, size=(16, 24)).warnings
    assert "2 images were resized to 16x24 from 16x16, with the aspect kept and the rest filled." in told


@pytest.mark.parametrize(
    ("size", "better"),
    [((3024, 4032), "96x128"), ((28, 28), "28x28"), ((4, 400), "8x128"), ((4, 6), "8x12"), ((1, 200), "8x256")],
)
def test_the_size_proposed_keeps_the_shape(size: tuple[int, int], better: str) -> None:
    assert proposed([size] * 3) == better


def test_classes_are_in_natural_order(store: ArtefactStore) -> None:
    labels = [name for name in ("class_10", "class_2", "class_1", "10", "01", "1", "b", "B") for _ in range(2)]

    found = datasets.create(store, "order", _images(16), labels, MAX_BYTES).classes

    assert found == ["1", "01", "10", "B", "b", "class_1", "class_2", "class_10"]


def test_what_could_not_be_read_is_described(store: ArtefactStore) -> None:
    lost = Unreadable(images=1, files=[NotRead(file="a/1.png", reason="cut short")])
    reading = Reading(warnings=["Left out: a/1.png."], unreadable=lost)

    datasets.create(store, "less", _images(40), None, MAX_BYTES, reading=reading)

    described = datasets.describe("less", store)
    assert described.unreadable == lost
    assert described.warnings == ["Left out: a/1.png."]


GIVEN = ["train"] * 20 + ["validation"] * 6 + ["test"] * 8


def test_parts_that_images_came_in_are_kept_and_that_is_said(store: ArtefactStore) -> None:
    found = datasets.create(store, "parts", _images(34), ["a", "b"] * 17, MAX_BYTES, reading=Reading(GIVEN))

    loaded = datasets.load("parts", store, [])
    assert found.parts_given
    assert [rows.tolist() for rows in (loaded.train, loaded.validation, loaded.test)] == [
        *([*range(20)], [*range(20, 26)], [*range(26, 34)])
    ]
    assert found.warnings == ["The folders say which part each image is in: train 20, validation 6, test 8."]


def test_copies_across_given_parts_are_told_and_not_moved(store: ArtefactStore) -> None:
    images = _images(34)
    images[30] = images[2]

    found = datasets.create(store, "leak", images, None, MAX_BYTES, files=_files(34), reading=Reading(GIVEN))

    assert found.parts == {"train": 20, "validation": 6, "test": 8}
    assert "1 shows what a training image shows, such as 30.png and 2.png" in found.warnings[-1]


@pytest.mark.parametrize(("given", "lacking"), [(GIVEN[:26], "test"), (GIVEN[:20] + GIVEN[26:], "validation")])
def test_a_part_that_is_lacking_is_drawn_from_the_training_images(given: list[str | None], lacking: str) -> None:
    n = len(given)
    labels = np.arange(n) % 2

    parts = dict(zip(("train", "validation", "test"), split_as_given(given, labels, "ab", np.arange(n)), strict=True))

    assert len(parts[lacking]) > 0
    assert set(parts[lacking]) < set(range(20))
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(n))
    assert set(labels[parts["train"]]) == {0, 1}


def test_nothing_trains_on_unlabelled_images_that_are_or_show_test_images() -> None:
    labels = np.array([0, 1] * 10 + [UNLABELLED] * 4 + [0, 1] * 5)
    given: list[str | None] = ["train"] * 20 + ["test", "test", None, None] + ["test"] * 10
    pictures = np.arange(34)
    pictures[23] = 33  # shows what a test image shows

    train, validation, test = split_as_given(given, labels, "ab", pictures)

    used = set(np.concatenate([train, validation, test]).tolist())
    assert set(range(34)) - used == {20, 21, 23}
    assert test.tolist() == list(range(24, 34))


def test_a_class_without_training_images_is_named() -> None:
    given = ["train"] * 4 + ["test"] * 2
    with pytest.raises(InvalidInput, match="class 'b' has no image in the folder of training images"):
        split_as_given(given, np.array([0, 0, 0, 0, 0, 1]), "ab", np.arange(6))


def test_a_size_in_the_other_order_is_pointed_out() -> None:
    lying, standing = (48, 64), (64, 48)
    assert "Sizes are height x width, so 48x64 would fit most of them better." in resized([lying] * 3, standing)
    for size in (lying, (64, 64)):
        assert not any("better" in told for told in resized([lying, (40, 50), standing], size))
