"""What rests: whole or not at all, by checked names only."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from latentaug.errors import Conflict, Damaged, InvalidInput, NotFound, NotStored, Unavailable
from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset, Reconstruction
from latentaug.storage.objects import ArtefactStore, check_name

pytestmark = pytest.mark.stores("memory")


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    return ArtefactStore(store_url)


def _model(name: str = "m") -> tuple[ModelDescription, bytes, ProjectedDataset]:
    weights = save({"w": np.ones(3, np.float32)})
    projected = ProjectedDataset(
        latents=np.ones((4, 2), np.float32), labels=np.arange(4, dtype=np.int64), rows=np.arange(4, dtype=np.int64)
    )
    description = ModelDescription(
        name=name,
        version="job1",
        height=8,
        width=8,
        channels=1,
        latent_dim=2,
        hidden=1024,
        dataset="digits",
        dataset_checksum="0" * 64,
        classes=["0", "1", "2", "3"],
        sigma=[1.0, 1.0],
        training={"epochs": 1},
        best_epoch=1,
        training_images=4,
        validation_images=1,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        latents_sha256=hashlib.sha256(models.projected_bytes(projected)).hexdigest(),
        created_at=datetime.now(UTC),
        job_id="job1",
    )
    return description, weights, projected


@pytest.mark.parametrize(
    ("mse", "taken"), [(0.05, "residual"), (0.0032, "residual"), (0.0031, "reconstruction"), (0.0, "reconstruction")]
)
def test_auto_decodes_by_residual_where_reconstructions_have_less_than_25_decibels(mse: float, taken: str) -> None:
    model = _model()[0].model_copy(update={"reconstruction": Reconstruction.of(mse)})
    assert model.decode("auto") == taken
    assert model.decode("warp") == "warp"
    assert _model()[0].decode("auto") == "reconstruction", "nothing is known of models of earlier versions"


@pytest.mark.parametrize(
    ("mse", "in_use", "said"),
    [
        (0.05, 20, "Do not train on this model's own pictures"),
        (0.01, 20, "lose detail (20.0 dB"),
        (0.001, 20, "good enough to train on (30.0 dB"),
        (0.001, 4, "Only 4 of 20 latent dimensions"),
        (0.05, 0, "Train this model again"),
    ],
)
def test_a_model_says_what_to_do_about_its_pictures(mse: float, in_use: int, said: str) -> None:
    assert said in models.advice(Reconstruction.of(mse), in_use, 20)


def test_bytes_come_back_until_deleted(store: ArtefactStore) -> None:
    store.put("a/b/c", b"one")
    store.put("a/b/c", b"two")
    assert store.get("a/b/c") == b"two"
    assert store.exists("a/b/c")
    assert store.folders("a") == ["b"]
    assert store.files("a/b") == ["c"]
    store.delete_folder("a")
    store.delete("a/b/c")
    assert not store.exists("a/b/c")
    with pytest.raises(NotFound):
        store.get("a/b/c")


def test_create_never_overwrites(store: ArtefactStore) -> None:
    store.create("a", b"one")
    with pytest.raises(Conflict):
        store.create("a", b"two")
    assert store.get("a") == b"one"


def test_of_many_who_create_at_once_one_wins(store: ArtefactStore) -> None:
    for i in range(20):
        begin, writers = threading.Barrier(4), [f"writer {number}".encode() for number in range(4)]
        with ThreadPoolExecutor(len(writers)) as pool:
            won = [data for data in pool.map(partial(_created, store, f"a/{i}", begin), writers) if data is not None]
        assert won == [store.get(f"a/{i}")]


def _created(store: ArtefactStore, path: str, begin: threading.Barrier, data: bytes) -> bytes | None:
    begin.wait()
    try:
        store.create(path, data)
    except Conflict:
        return None
    return data


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "_a", "a b", "ä", "a\n", "x" * 65])
def test_what_cannot_name_an_artefact(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name, "model")


def test_a_model_comes_back_as_it_went(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    assert models.names(store) == ["m"]
    assert models.describe(store, "m") == description
    assert models.read_weights(store, description) == weights
    assert np.array_equal(models.read_projected(store, description).latents, projected.latents)


def test_a_second_model_of_the_same_name_is_a_conflict(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    with pytest.raises(Conflict, match="exists"):
        models.save(store, description.model_copy(update={"version": "2" * 32}), weights, projected)


def test_a_deleted_model_is_gone_whole(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    models.delete(store, "m")
    assert models.names(store) == []
    with pytest.raises(NotFound):
        models.delete(store, "m")
    with pytest.raises(NotFound):
        models.read_weights(store, description)


def test_without_its_description_a_model_does_not_exist(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    store.delete(models.describe_path("m"))
    assert models.names(store) == []


def test_damaged_weights_are_found_out(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    store.put("models/m/job1/weights.safetensors", weights[:-1] + b"\xff")
    with pytest.raises(Damaged, match="the model 'm' is damaged: its file weights"):
        models.read_weights(store, description)


def test_a_folder_that_may_not_be_written_to_is_told_of_in_words() -> None:
    with pytest.raises(NotStored, match="must give it the right to"):
        ArtefactStore("file:///sys/kernel").put("latentaug/file", b"")


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "the store, 100 %"
    ArtefactStore(folder.as_uri()).put("a", b"one")
    assert (folder / "a").read_bytes() == b"one"


def test_a_folder_that_cannot_be_is_told_of_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot reach the place"):
        ArtefactStore((tmp_path / "file" / "store").as_uri())


def test_a_damaged_description_is_told_of_and_the_model_can_be_deleted(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    store.put(models.describe_path("m"), b"{}")
    with pytest.raises(Damaged, match="delete it and train it again"):
        models.describe(store, "m")
    models.delete(store, "m")
    assert models.names(store) == []


def test_a_missing_file_is_damage_while_the_model_is_there(store: ArtefactStore) -> None:
    description, weights, projected = _model()
    models.save(store, description, weights, projected)
    store.delete("models/m/job1/weights.safetensors")
    with pytest.raises(Damaged, match="is missing"):
        models.read_weights(store, description)
    models.delete(store, "m")
    with pytest.raises(NotFound):
        models.read_weights(store, description)
