"""What a newer service has written is refused in words, and what it has added is passed over."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import BaseModel

from latentaug import datasets
from latentaug.errors import Damaged, Newer
from latentaug.storage import artefacts, formats, models
from latentaug.storage.objects import ArtefactStore

pytestmark = pytest.mark.stores

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
SAID = r"was written by a newer latentaug \(format 2; this one reads up to 1\): upgrade this service"


class Inner(BaseModel, extra="forbid"):
    a: int


class Outer(BaseModel, extra="forbid"):
    inner: Inner


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    return ArtefactStore(store_url)


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This release as a later one would be, until `undo` is called."""
    monkeypatch.setattr(formats, "FORMAT", 2)
    return monkeypatch


def test_in_the_first_format_nothing_is_said_of_it() -> None:
    document = Outer(inner=Inner(a=1))
    assert json.loads(formats.write(document)) == {"inner": {"a": 1}}
    assert formats.read(Outer, formats.write(document), "it") == document


def test_a_newer_release_reads_what_an_older_one_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Outer(inner=Inner(a=1))
    earlier = formats.write(document)
    monkeypatch.setattr(formats, "FORMAT", 2)
    assert formats.read(Outer, earlier, "it") == document
    assert formats.read(Outer, formats.write(document), "it") == document


def test_an_older_release_refuses_what_a_newer_one_has_written(newer: pytest.MonkeyPatch) -> None:
    later = formats.write(Outer(inner=Inner(a=1)))
    newer.undo()
    with pytest.raises(Newer, match=f"^the model 'm' {SAID}$"):
        formats.read(Outer, later, "the model 'm'")


def test_what_a_newer_release_has_added_is_passed_over_at_any_depth() -> None:
    added = b'{"inner": {"a": 1, "new": 2}, "new": {"inner": 3}}'
    assert formats.read(Outer, added, "it") == Outer(inner=Inner(a=1))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "x", "inner": {"a": 1}}', b'{"format": 1}'])
def test_what_cannot_be_read_is_not_taken_for_something_newer(content: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        formats.read(Outer, content, "it")


def test_a_data_set_of_a_newer_service_is_refused_and_kept(store: ArtefactStore, newer: pytest.MonkeyPatch) -> None:
    description = datasets.create(store, "mine", IMAGES, None, 2**20)
    newer.undo()
    for ask in (lambda: datasets.describe("mine", store), lambda: datasets.load("mine", store, ())):
        with pytest.raises(Newer, match=f"^the data set 'mine' {SAID}$"):
            ask()
    with pytest.raises(Newer, match=f"^datasets/mine {SAID}$"):
        artefacts.version(store, "datasets/mine")
    with pytest.raises(Newer):
        artefacts.unused(store, "datasets/mine", description.created_at or pytest.fail("it has a time"))
    newer.setattr(formats, "FORMAT", 2)
    assert datasets.describe("mine", store) == description


def test_what_a_newer_service_has_added_to_a_description_stays(store: ArtefactStore) -> None:
    description = datasets.create(store, "mine", IMAGES, None, 2**20)
    path = "datasets/mine/dataset.json"
    added = json.dumps({**json.loads(store.get(path)), "licence": "CC0"}).encode()
    store.put(path, added)
    assert datasets.describe("mine", store) == description
    assert len(datasets.load("mine", store, ()).images) == 12
    assert store.get(path) == added


def test_a_model_of_a_newer_service_is_refused(store: ArtefactStore) -> None:
    store.put("models/m/model.json", b'{"format": 2, "whatever": "there will be"}')
    with pytest.raises(Newer, match=f"^the model 'm' {SAID}$"):
        models.describe(store, "m")
    assert models.names(store) == ["m"]


def test_a_store_says_which_release_writes_there(store: ArtefactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.check_store(store)
    assert not store.exists(formats.MARK), "who only reads writes nothing"
    for _ in range(2):
        formats.mark_store(store)
        assert json.loads(store.get(formats.MARK)) == {"format": 1}
    monkeypatch.setattr(formats, "FORMAT", 2)
    formats.mark_store(store)
    assert json.loads(store.get(formats.MARK)) == {"format": 2}
    monkeypatch.undo()
    for ask in (formats.check_store, formats.mark_store):
        with pytest.raises(Newer, match=f"^what is in the store {SAID}$"):
            ask(store)
    assert json.loads(store.get(formats.MARK)) == {"format": 2}


def test_a_mark_that_cannot_be_read_is_told_of(store: ArtefactStore) -> None:
    store.put(formats.MARK, b"2")
    for ask in (formats.check_store, formats.mark_store):
        with pytest.raises(Damaged, match="put it back from a backup"):
            ask(store)
