"""Data sets that stay in their file: the same images, labels and checksums, from a folder and from an object store."""

from pathlib import Path

import numpy as np
import pytest

from latentaug import datasets
from latentaug.datasets import Dataset, digits, duplicates, shards, uploads
from latentaug.datasets.selection import Selection
from latentaug.errors import Conflict, Damaged, NotFound, TooLarge
from latentaug.storage import local
from latentaug.storage.objects import ArtefactStore
from tests import object_stores

DIGITS = digits.load()
IMAGES, NAMES = DIGITS.images[:60], [str(label) for label in np.asarray(DIGITS.labels)[:60]]
LARGE = 2**30


pytestmark = pytest.mark.stores("memory")


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    return ArtefactStore(store_url)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too large for memory."""
    monkeypatch.setattr(uploads, "MOST_IN_MEMORY", 0)


def load(store: ArtefactStore, tmp_path: Path, name: str = "mine") -> Dataset:
    return datasets.load(name, store, (tmp_path / "copies",))


@pytest.mark.usefixtures("small")
def test_a_mapped_data_set_is_what_it_is_in_memory(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = datasets.create(store, "mine", IMAGES, NAMES, LARGE)
    mapped = load(store, tmp_path)
    monkeypatch.setattr(uploads, "MOST_IN_MEMORY", LARGE)
    whole = load(store, tmp_path)

    assert (mapped.mapped, whole.mapped) == (True, False)
    np.testing.assert_array_equal(mapped.images, whole.images, strict=True)
    assert mapped.checksum == whole.checksum
    assert mapped.names_of(mapped.train) == whole.names_of(whole.train)
    taken = mapped.take(mapped.train)
    assert isinstance(taken, Selection)
    np.testing.assert_array_equal(taken[3:7], whole.images[whole.train[3:7]])
    assert taken.shape == whole.images[whole.train].shape
    assert not mapped.images.flags.writeable, "nobody changes the file"
    again = datasets.create(store, "again", IMAGES, NAMES, LARGE)
    assert again.sha256 == created.sha256, "written in pieces or at once"


@pytest.mark.usefixtures("small")
def test_a_damaged_or_deleted_file_is_told_of(store: ArtefactStore, tmp_path: Path) -> None:
    created = datasets.create(store, "mine", IMAGES, NAMES, LARGE)
    path = f"datasets/mine/{created.version}/arrays.safetensors"
    store.put(path, store.get(path)[:-1] + b"x")
    with pytest.raises(Damaged):
        load(store, tmp_path)
    store.delete(path)
    with pytest.raises(Damaged, match="missing"):
        load(store, tmp_path)
    with pytest.raises(NotFound):
        load(store, tmp_path, "another")


@pytest.mark.usefixtures("small")
def test_copies_are_used_again_and_make_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtefactStore("memory:///")
    for name in ("one", "two"):
        datasets.create(store, name, IMAGES, NAMES, LARGE)
    kept = load(store, tmp_path, "one")
    (copy,) = (tmp_path / "copies").iterdir()
    first = copy.stat().st_ino
    load(store, tmp_path, "one")
    assert copy.stat().st_ino == first
    monkeypatch.setattr(local, "MOST_BYTES", copy.stat().st_size + 1)
    load(store, tmp_path, "two")
    assert len(list((tmp_path / "copies").iterdir())) == 1
    np.testing.assert_array_equal(kept.images, IMAGES, "what was mapped stays")


def test_images_of_shards_are_looked_at_without_all_of_them_in_memory(store: ArtefactStore, tmp_path: Path) -> None:
    for number, start in enumerate(range(0, 60, 20)):
        shards.put(store, "mine", number, IMAGES[start : start + 20], NAMES[start : start + 20], LARGE, LARGE)
    with pytest.raises(TooLarge, match="smaller size"):
        shards.put(store, "mine", 3, IMAGES, NAMES, 2**20, LARGE, size=(256, 256))
    with pytest.raises(TooLarge, match="shards"):
        shards.put(store, "mine", 3, IMAGES, NAMES, LARGE, 70 * IMAGES[0].nbytes)
    with pytest.raises(Conflict, match="missing"):
        shards.join(store, "mine", 4, tmp_path / "scratch")
    joined = shards.join(store, "mine", 3, tmp_path / "scratch")
    assert joined.sha256 == datasets.create(store, "whole", IMAGES, NAMES, LARGE).sha256
    assert not list((tmp_path / "scratch").iterdir())
    with pytest.raises(NotFound):
        shards.listed(store, "mine")


def test_labels_and_images_of_all_shards_have_a_bound(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        shards.put(store, "mine", number, IMAGES, NAMES, LARGE, LARGE)
    for bound, least in (("MOST_TOLD_BYTES", 500), ("MOST_IMAGES", 119)):
        with monkeypatch.context() as small:
            small.setattr(shards, bound, least)
            with pytest.raises(TooLarge):
                shards.join(store, "mine", 2, tmp_path)
    assert shards.join(store, "mine", 2, tmp_path).images == 120


def test_a_shard_that_was_damaged_is_not_joined(store: ArtefactStore, tmp_path: Path) -> None:
    shards.put(store, "mine", 0, IMAGES, NAMES, LARGE, LARGE)
    (entry,) = store.entries("datasets/mine/shards")
    store.put(entry.path, b"x" * entry.size)
    with pytest.raises(Damaged, match="send it again"):
        shards.join(store, "mine", 1, tmp_path)


def test_a_shard_without_labels_beside_others(store: ArtefactStore, tmp_path: Path) -> None:
    shards.put(store, "mine", 0, IMAGES[:30], None, LARGE, LARGE)
    shards.put(store, "mine", 1, IMAGES[30:], NAMES[30:], LARGE, LARGE)
    joined = shards.join(store, "mine", 2, tmp_path)
    assert (joined.labelled, joined.unlabelled) == (30, 30)


def test_of_very_many_images_only_equal_ones_are_copies_and_that_is_told(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 60)
    images = np.concatenate([IMAGES, IMAGES[:1]])
    created = datasets.create(store, "many", images, [*NAMES, NAMES[0]], LARGE)
    assert created.duplicates is not None
    assert (created.duplicates.exact, created.duplicates.near) == (1, 0)
    assert any("over 60" in warning for warning in created.warnings)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_all_of_it_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_stores.s3() as s3:
        store = ArtefactStore(object_stores.name(s3.door.url, monkeypatch))
        for number, start in enumerate(range(0, 60, 20)):
            shards.put(store, "mine", number, IMAGES[start : start + 20], NAMES[start : start + 20], LARGE, LARGE)
        joined = shards.join(store, "mine", 3, tmp_path / "scratch")
        mapped = load(store, tmp_path)
        store.put_pieces("large", (bytes([number]) * 2**22 for number in range(4)))
        large = store.get("large")

    assert joined.images == 60
    np.testing.assert_array_equal(mapped.images, IMAGES)
    assert large == b"".join(bytes([number]) * 2**22 for number in range(4))
