"""Data sets: the bundled ones, uploads, and how they are split."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from latentaug import datasets
from latentaug.datasets import mnist
from latentaug.datasets.splitting import split
from latentaug.errors import Conflict, InvalidInput, NotFound, TooFewImages, TooLarge, Unavailable
from latentaug.runtime.settings import Settings, load
from latentaug.storage.objects import ArtefactStore

pytestmark = pytest.mark.stores


@pytest.fixture
def settings(tmp_path: Path, store_url: str) -> Settings:
    return Settings(home=tmp_path, store_url=store_url, data_dir=None)


@pytest.fixture
def store(settings: Settings) -> ArtefactStore:
    return ArtefactStore(settings.resolved_store_url)


def _images(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)


@given(st.lists(st.integers(0, 4), min_size=4, max_size=80), st.integers(0, 3))
def test_parts_are_disjoint_whole_and_never_empty(labels: list[int], seed: int) -> None:
    codes = np.array(labels, np.int64)
    train, validation, test = split(len(codes), codes, seed)
    assert sorted([*train, *validation, *test]) == list(range(len(codes)))
    assert len(train) >= 1
    assert len(validation) >= 1
    assert len(test) >= 1


def test_every_class_keeps_training_images() -> None:
    codes = np.repeat(np.arange(5), [1, 2, 3, 10, 100])
    train, _, _ = split(len(codes), codes)
    assert set(codes[train]) == set(range(5))


def test_the_shares_can_be_others() -> None:
    codes = np.repeat(np.arange(3), 120)
    parts = split(len(codes), codes, validation_share=0.05, test_share=0.45)
    assert [np.bincount(codes[part]).tolist() for part in parts] == [[60] * 3, [6] * 3, [54] * 3]


def test_a_split_is_always_the_same() -> None:
    codes = np.arange(50) % 3
    assert all(np.array_equal(a, b) for a, b in zip(split(50, codes), split(50, codes), strict=True))


def test_digits_are_what_their_description_says(store: ArtefactStore, settings: Settings) -> None:
    digits = datasets.load("digits", store, settings.dataset_folders)
    description = datasets.describe("digits", store)
    assert digits.labels is not None
    assert digits.images.shape == (description.images, description.height, description.width, description.channels)
    assert digits.images.max() == 255
    assert np.bincount(digits.labels).tolist() == description.class_counts
    assert [len(digits.train), len(digits.validation), len(digits.test)] == list(description.parts.values())


def test_digits_agree_with_scikit_learn(store: ArtefactStore, settings: Settings) -> None:
    theirs = load_digits()
    ours = datasets.load("digits", store, settings.dataset_folders)
    assert np.array_equal(ours.images[..., 0], np.rint(theirs.images * 255 / 16).astype(np.uint8))
    assert np.array_equal(ours.labels, theirs.target)


def test_mnist_is_read_from_the_data_folder_and_checked(store: ArtefactStore) -> None:
    folder = load().data_dir
    if folder is None or not (folder / "mnist").is_dir():
        pytest.skip("set LATENTAUG_DATA_DIR to a folder with mnist/*.gz to run this")
    data = datasets.load("mnist", store, load().dataset_folders)
    assert data.labels is not None
    assert [len(data.train), len(data.validation), len(data.test)] == [55_000, 5_000, 10_000]
    assert np.bincount(data.labels).tolist() == datasets.describe("mnist", store).class_counts
    assert data.images[0, :, :, 0].sum() == 27525
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_a_tampered_mnist_file_is_not_used(
    tmp_path: Path, store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    for name, (_, size) in mnist.FILES.items():
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(bytes(size), 1))
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/nothing",))
    with pytest.raises(Unavailable, match="LATENTAUG_DATA_DIR"):
        datasets.load("mnist", store, Settings(home=tmp_path, data_dir=tmp_path).dataset_folders)


def test_an_upload_comes_back_as_it_went(store: ArtefactStore, settings: Settings) -> None:
    images = _images(30, 9, 10, 3)
    labels = [str(i % 12) for i in range(30)]
    description = datasets.create(store, "mine", images, labels, settings.max_dataset_bytes)
    assert description.classes == [str(i) for i in range(12)]  # 2 before 10
    assert datasets.describe("mine", store) == description
    data = datasets.load("mine", store, settings.dataset_folders)
    assert np.array_equal(data.images, images)
    assert data.labels is not None
    assert [data.classes[code] for code in data.labels] == labels
    assert datasets.names(store) == [*datasets.BUILT_IN, "mine"]
    datasets.delete(store, "mine")
    assert datasets.names(store) == list(datasets.BUILT_IN)
    with pytest.raises(NotFound):
        datasets.load("mine", store, settings.dataset_folders)


def test_unlabelled_images_are_a_data_set_too(store: ArtefactStore, settings: Settings) -> None:
    datasets.create(store, "plain", _images(10, 8, 8, 1), None, settings.max_dataset_bytes)
    assert datasets.load("plain", store, settings.dataset_folders).labels is None


def test_images_of_several_sizes_need_a_size(store: ArtefactStore, settings: Settings) -> None:
    mixed = [*_images(3, 8, 9, 1), *_images(3, 20, 12, 1)]
    with pytest.raises(InvalidInput, match="2 sizes"):
        datasets.create(store, "mixed", mixed, None, settings.max_dataset_bytes)
    assert datasets.create(store, "mixed", mixed, None, settings.max_dataset_bytes, size=(16, 16)).height == 16


def test_a_taken_name_is_a_conflict(store: ArtefactStore, settings: Settings) -> None:
    datasets.create(store, "mine", _images(5, 8, 8, 1), None, settings.max_dataset_bytes)
    for name in ("mine", *datasets.BUILT_IN):
        with pytest.raises(Conflict):
            datasets.create(store, name, _images(5, 8, 8, 1), None, settings.max_dataset_bytes)
    with pytest.raises(Conflict):
        datasets.delete(store, "digits")


def test_what_cannot_be_a_data_set_is_refused(store: ArtefactStore, settings: Settings) -> None:
    with pytest.raises(TooFewImages):
        datasets.create(store, "a", _images(3, 8, 8, 1), None, settings.max_dataset_bytes)
    with pytest.raises(InvalidInput, match=r"8\.\.256"):
        datasets.create(store, "a", _images(5, 7, 8, 1), None, settings.max_dataset_bytes)
    with pytest.raises(InvalidInput, match="labels"):
        datasets.create(store, "a", _images(5, 8, 8, 1), ["x"] * 4, settings.max_dataset_bytes)
    with pytest.raises(InvalidInput, match="label"):
        datasets.create(store, "a", _images(5, 8, 8, 1), [""] * 5, settings.max_dataset_bytes)
    small = settings.model_copy(update={"max_dataset_bytes": 300})
    with pytest.raises(TooLarge):
        datasets.create(store, "a", _images(5, 8, 8, 1), None, small.max_dataset_bytes)
    for name in ("../a", "", "a/b", "a.b", "x" * 65):
        with pytest.raises(InvalidInput, match="cannot name"):
            datasets.create(store, name, _images(5, 8, 8, 1), None, settings.max_dataset_bytes)
    assert datasets.names(store) == list(datasets.BUILT_IN)


def test_equal_data_has_equal_checksums(store: ArtefactStore, settings: Settings) -> None:
    images = _images(12, 8, 8, 1)
    for name in ("one", "two"):
        datasets.create(store, name, images, None, settings.max_dataset_bytes)
    datasets.create(store, "three", 255 - images, None, settings.max_dataset_bytes)
    one, two, three = (
        datasets.load(name, store, settings.dataset_folders).checksum for name in ("one", "two", "three")
    )
    assert one == two != three
