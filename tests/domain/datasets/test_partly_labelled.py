"""Partly labelled data sets: how they are split, kept and told of, and that nothing trains on a test image."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.datasets import UNLABELLED, DatasetDescription, digits
from latentaug.datasets.splitting import split, split_partly_labelled
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.storage.objects import ArtefactStore

MAX_BYTES = 10**7
DIGITS_PARTS = "9864f999223f6f678e7ae25b4bf9f098202cd6cd227f93fbb6dca95ad0416e2e"
DIGITS_CHECKSUM = "7e5bf1bf8e8619bc85d47ab67b607a767386d9c011803404b8e9c07200be6447"
"""Both were computed before there were partly labelled data sets."""
LABELS = st.lists(st.integers(UNLABELLED, 3), min_size=4, max_size=60).filter(lambda labels: UNLABELLED in labels)


pytestmark = pytest.mark.stores


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    return ArtefactStore(store_url)


def _images(n: int, different: int | None = None) -> NDArray[np.uint8]:
    """So many images of 8x8, among which there are at most so many different ones."""
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return images if different is None else images[rng.integers(0, min(different, n), n)]


def _some(codes: NDArray[np.int64], hidden: float, seed: int = 0) -> list[str | None]:
    """Names of labels, a share of which is hidden."""
    kept = np.random.default_rng(seed).random(len(codes)) >= hidden
    return [str(code) if known else None for code, known in zip(codes, kept, strict=True)]


@given(LABELS, st.integers(1, 60), st.integers(0, 3))
def test_unlabelled_images_train_and_validate_and_never_equal_a_test_image(
    labels: list[int], different: int, seed: int
) -> None:
    codes, images = np.array(labels, np.int64), _images(len(labels), different)
    pictures = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)[1]
    train, validation, test = split_partly_labelled(codes, pictures, seed)
    parted = np.concatenate([train, validation, test])
    assert len(set(parted)) == len(parted)
    assert (codes[test] != UNLABELLED).all()
    tested = {image.tobytes() for image in images[test]}
    leaks = (codes == UNLABELLED) & np.array([image.tobytes() in tested for image in images])
    assert sorted(parted) == np.flatnonzero(~leaks).tolist()
    assert len(validation) >= 1
    if np.setdiff1d(pictures, pictures[codes != UNLABELLED]).size:
        assert set(codes[train]) >= set(codes) - {UNLABELLED}, "every class keeps a training image"


@given(LABELS)
def test_labelled_images_are_tested_by_class_as_those_of_a_whole_data_set(labels: list[int]) -> None:
    codes = np.array(labels, np.int64)
    labelled = np.flatnonzero(codes != UNLABELLED)
    _, _, test = split_partly_labelled(codes)
    sizes = np.bincount(codes[labelled], minlength=4)
    wanted = [min(round(size * 0.3), size - 1) if size else 0 for size in sizes]
    assert np.bincount(codes[test], minlength=4).tolist() == wanted
    if len(labelled) >= 4 and len(test):
        _, _, alone = split(len(labelled), codes[labelled])
        assert labelled[alone].tolist() == test.tolist()


def test_a_tenth_of_the_unlabelled_images_validates() -> None:
    codes = np.repeat([UNLABELLED, 0, 1], [200, 50, 50])
    train, validation, test = split_partly_labelled(codes)
    counts = [[int((codes[part] == code).sum()) for code in (UNLABELLED, 0, 1)] for part in (train, validation, test)]
    assert counts == [[180, 30, 30], [20, 5, 5], [0, 15, 15]]


def test_one_label_a_class_trains_and_there_is_nothing_to_test_on() -> None:
    codes = np.array([0, 1, 2, *[UNLABELLED] * 10])
    train, validation, test = split_partly_labelled(codes)
    assert set(codes[train]) == {0, 1, 2, UNLABELLED}
    assert codes[validation].tolist() == [UNLABELLED]
    assert len(test) == 0


def test_too_few_images_are_refused_labelled_or_not() -> None:
    with pytest.raises(TooFewImages):
        split_partly_labelled(np.array([0, 0, UNLABELLED]))


def test_a_partly_labelled_upload_comes_back_as_it_went(store: ArtefactStore) -> None:
    images, labels = _images(60), _some(np.arange(60) % 3, hidden=0.5)
    described = datasets.create(store, "mine", images, labels, MAX_BYTES)
    data = datasets.load("mine", store, [])
    assert datasets.describe("mine", store) == described
    assert data.labels is not None
    assert data.names_of(np.arange(60)) == labels
    assert sorted([*data.labelled_train, *data.pool]) == data.train.tolist()
    assert (data.labels[data.labelled_train] != UNLABELLED).all()
    assert (data.labels[data.pool] == UNLABELLED).all()
    assert (described.labelled, described.unlabelled) == (60 - labels.count(None), labels.count(None))
    assert described.class_counts == [labels.count(name) for name in described.classes]
    assert described.labelled_parts == {
        "train": len(data.labelled_train),
        "validation": int((data.labels[data.validation] != UNLABELLED).sum()),
        "test": len(data.test),
    }
    assert described.left_out is None


def test_no_test_image_is_in_the_pool_and_what_is_left_out_is_told(store: ArtefactStore) -> None:
    twice = np.concatenate([_images(40), _images(40)])
    labels = [*[str(i % 2) for i in range(40)], *[None] * 40]
    described = datasets.create(store, "twice", twice, labels, MAX_BYTES)
    data = datasets.load("twice", store, [])
    tested = {image.tobytes() for image in data.images[data.test]}
    unlabelled = np.concatenate([data.pool, data.validation])
    assert not tested & {image.tobytes() for image in data.images[unlabelled]}
    assert described.left_out is not None
    assert described.left_out.images == len(tested) == 12
    assert "test images" in described.left_out.reason
    assert sum(described.parts.values()) == described.images - 12 == 68


def test_images_that_are_equal_only_once_resized_are_left_out_too(store: ArtefactStore) -> None:
    small = _images(20)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    described = datasets.create(store, "sizes", [*large, *large], ["a"] * 20 + [None] * 20, MAX_BYTES, size=(8, 8))
    assert described.left_out is not None
    assert described.left_out.images == described.parts["test"] == 6


def test_labels_that_nobody_has_are_no_labels(store: ArtefactStore) -> None:
    for name, labels in (("none", None), ("nobody", [None] * 12)):
        described = datasets.create(store, name, _images(12), labels, MAX_BYTES)
        assert (described.classes, described.class_counts, described.labelled) == ([], None, 0)
        assert datasets.load(name, store, []).labels is None
    assert datasets.load("none", store, []).checksum == datasets.load("nobody", store, []).checksum


def test_an_empty_name_is_no_label(store: ArtefactStore) -> None:
    with pytest.raises(InvalidInput, match="a label is empty"):
        datasets.create(store, "empty", _images(12), ["", None] * 6, MAX_BYTES)


def test_whole_data_sets_are_what_they_were() -> None:
    data = digits.load()
    assert data.labels is not None
    assert data.labelled_train.tolist() == data.train.tolist()
    assert len(data.pool) == 0
    parts = hashlib.sha256(b"".join(part.tobytes() for part in (data.train, data.validation, data.test)))
    assert parts.hexdigest() == DIGITS_PARTS
    assert data.checksum == DIGITS_CHECKSUM


@pytest.mark.parametrize(("classes", "labelled"), [(["a", "b"], 9), ([], 0)])
def test_descriptions_from_before_say_all_or_none(classes: list[str], labelled: int) -> None:
    before = {
        **{"name": "old", "built_in": False, "source": "upload", "images": 9, "height": 8, "width": 8, "channels": 1},
        **{"classes": classes, "parts": {"train": 5, "validation": 1, "test": 3}, "version": "v", "sha256": "0" * 64},
    }
    described = DatasetDescription.model_validate_json(json.dumps(before))
    assert (described.labelled, described.unlabelled) == (labelled, 9 - labelled)
    assert sum(described.labelled_parts.values()) == labelled
    assert described.left_out is None
