"""A tenant's part of the store: all of it under one prefix, and nothing outside in sight."""

from __future__ import annotations

import inspect

import pytest

from latentaug.errors import NotFound
from latentaug.storage import artefacts, tenants
from latentaug.storage.objects import ArtefactStore

pytestmark = pytest.mark.stores


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    return ArtefactStore(store_url)


def test_each_tenant_has_its_own_and_none_sees_what_stands_elsewhere(store: ArtefactStore) -> None:
    first, second = tenants.of(store, "first"), tenants.of(store, "second")
    store.put("models/m/model.json", b"nobody's")
    first.put("models/m/model.json", b"first's")
    second.create("models/m/model.json", b"second's")
    second.put("models/other/model.json", b"second's")

    assert [each.get("models/m/model.json") for each in (store, first, second)] == [
        b"nobody's",
        b"first's",
        b"second's",
    ]
    assert [each.folders("models") for each in (store, first, second)] == [["m"], ["m"], ["m", "other"]]
    assert first.files("models/m") == ["model.json"]
    assert first.part("models/m/model.json", 0, 5) == b"first"
    assert first.look("models/m/model.json").size == 7
    assert not first.exists("models/other/model.json")
    assert [entry.path for entry in first.entries("models")] == ["models/m/model.json"]
    first.delete_folder("models")
    with pytest.raises(NotFound):
        first.get("models/m/model.json")
    assert second.exists("models/m/model.json")
    assert store.exists("models/m/model.json")


def test_a_part_leads_every_method_into_itself() -> None:
    """Or a method that the store gets one day would lead a tenant out of its part."""
    public = {name for name, _ in inspect.getmembers(ArtefactStore, inspect.isfunction) if not name.startswith("_")}

    assert public <= set(vars(type(tenants.of(ArtefactStore("memory:///"), "first"))))


def test_without_a_tenant_the_store_is_the_whole_one(store: ArtefactStore) -> None:
    assert tenants.of(store, None) is store
    assert tenants.path(None, "models/m") == "models/m"
    assert tenants.qualified(None, "m") == "m"


def test_a_qualified_name_is_found_again_and_no_plain_name_is_one(store: ArtefactStore) -> None:
    tenants.of(store, "first").put("models/m/model.json", b"first's")

    part, name = tenants.find(store, tenants.qualified("first", "m"))

    assert name == "m"
    assert part.get("models/m/model.json") == b"first's"
    for plain in ("m", "~m", "../first~m", "a/b~m", "First~m"):
        assert tenants.find(store, plain) == (store, plain)


def test_artefacts_of_all_tenants_are_tidied_up(store: ArtefactStore) -> None:
    described = b'{"version": "v1", "created_at": "2020-01-01T00:00:00Z"}'
    for part in (store, tenants.of(store, "first"), tenants.of(store, "second")):
        part.put("datasets/mine/dataset.json", described)
        part.put("datasets/mine/v2/arrays.safetensors", b"")

    paths = artefacts.paths(store, "datasets")

    assert paths == ["datasets/mine", "tenants/first/datasets/mine", "tenants/second/datasets/mine"]
    assert [artefacts.version(store, path) for path in paths] == ["v1"] * 3
    assert artefacts.versions(store, paths[1]) == ["v2"]
    artefacts.delete(store, paths[1])
    assert artefacts.paths(store, "datasets") == [paths[0], paths[2]]
