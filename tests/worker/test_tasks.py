"""What each kind of job makes, in this process; a second attempt goes on where the first one was lost."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from latentaug import datasets
from latentaug.errors import Cancelled, Conflict, InvalidInput, NotFound, TooFewImages, TooLarge
from latentaug.imaging.archives import read_npz
from latentaug.imaging.pixels import Limits
from latentaug.options import AugmentParams, TrainParams
from latentaug.storage import models
from tests.pictures import decode_image
from tests.worker.desk import Desk
from worker import work as work_module
from worker.augment import augment
from worker.train import train
from worker.vaes import processes

LIMITS = Limits(max_images=100_000, max_pixels=10**7, max_bytes=10**9)


@pytest.fixture
def params() -> TrainParams:
    return TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=3)


@pytest.mark.stores
class TestTrain:
    def test_saves_a_model_and_its_curve(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        summary = train(work, params)
        model = models.describe(desk.artefacts, "mine")
        assert summary["model"] == "mine"
        assert summary["epochs"] == len(model.curve) == 3
        assert (model.latent_dim, model.job_id, model.training["epochs"]) == (4, work.record.id, 3)
        assert json.loads(desk.file(work, "result.json")) == model.model_dump(mode="json")
        assert decode_image(desk.file(work, "curve.png"), LIMITS).ndim == 3

    def test_photos_get_a_network_of_their_own_and_say_how_good_it_is(self, desk: Desk) -> None:
        photos = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3), np.uint8).repeat(4, 1).repeat(4, 2)
        datasets.create(desk.artefacts, "photos", photos, ["a", "b"] * 20, desk.settings.max_dataset_bytes)
        summary = train(desk.start("train"), TrainParams(dataset="photos", name="photos", epochs=2))
        model = models.describe(desk.artefacts, "photos")
        assert (model.architecture, model.latent_dim, model.training["architecture"]) == ("residual", 128, "residual")
        assert model.reconstruction is not None
        assert model.reconstruction.mse == model.curve[model.best_epoch - 1]["validation_mse"]
        assert model.latents_in_use is not None
        assert 0 < model.latents_in_use <= len(photos)
        assert summary["advice"] == model.advice != ""

        work = desk.start("augment")
        augment(work, AugmentParams(dataset="photos", model="photos", k=2))
        assert json.loads(desk.file(work, "result.json"))["decode"] == model.decode("auto")

    def test_digits_of_8x8_are_told_apart_by_default(self, desk: Desk) -> None:
        train(desk.start("train"), TrainParams(dataset="digits", name="digits", epochs=15))
        model = models.describe(desk.artefacts, "digits")
        assert (model.architecture, model.training["beta"]) == ("paper", 64 / 784)
        assert model.reconstruction is not None
        assert model.reconstruction.mse < 0.03, "at beta 1 the mean error was 52 grey levels"

    def test_is_shared_among_processes_where_the_settings_say_so(self, desk: Desk, params: TrainParams) -> None:
        desk.settings = desk.settings.model_copy(update={"device": "cpu"})
        alone = desk.start("train")
        train(alone, params)
        desk.settings = desk.settings.model_copy(update={"train_processes": 2})
        shared = desk.start("train")
        train(shared, params.model_copy(update={"name": "shared"}))
        curves = [models.describe(desk.artefacts, name).curve for name in ("mine", "shared")]
        for one, other in zip(*curves, strict=True):
            assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)

    @pytest.mark.parametrize(("device", "expected"), [("cpu", 3), ("cuda:0", 1)])
    def test_is_shared_by_as_many_as_wanted_but_never_on_one_gpu(self, desk: Desk, device: str, expected: int) -> None:
        assert processes(desk.settings.model_copy(update={"train_processes": 3, "device": device})) == expected

    def test_projects_the_training_part(self, desk: Desk, params: TrainParams) -> None:
        train(desk.start("train"), params)
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        model = models.describe(desk.artefacts, "mine")
        projected = models.read_projected(desk.artefacts, model)
        assert projected.latents.shape == (len(digits.train), 4)
        assert np.array_equal(projected.rows, digits.train)
        assert projected.labels is not None
        assert digits.labels is not None
        assert np.array_equal(projected.labels, digits.labels[digits.train])
        assert np.allclose(model.sigma, projected.latents.std(axis=0), rtol=1e-4)
        assert model.dataset_checksum == digits.checksum

    def test_tells_each_epochs_metrics(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        train(work, params)
        metrics = [event.data for event in desk.jobs.events(work.record.id) if event.type == "metrics"]
        assert [entry["epoch"] for entry in metrics] == [1, 2, 3]
        assert desk.jobs.counted()["epochs"] == {("train",): 3}

    def test_names_the_model_after_the_job_by_default(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        summary = train(work, params.model_copy(update={"name": None, "epochs": 1}))
        assert summary["model"] == f"vae-{work.record.id[-8:]}"

    def test_stops_when_the_job_was_cancelled(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        desk.jobs.cancel(work.record.id)
        with pytest.raises(Cancelled):
            train(work, params)

    def test_goes_on_from_the_checkpoint_to_the_same_model(
        self, desk: Desk, params: TrainParams, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work_module, "KEEP_EVERY", 0.0)
        desk.settings = desk.settings.model_copy(update={"device": "cpu"})  # where it is the same to the last bit
        train(desk.start("train"), params)
        first = desk.start("train")
        second_epoch = iter([False, True])

        def die_in_the_second_epoch(*args: Any, **named: Any) -> None:
            if next(second_epoch):
                raise KeyboardInterrupt

        monkeypatch.setattr(first, "report", die_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(first, params.model_copy(update={"name": "again"}))
        second = desk.again(first)
        train(second, params.model_copy(update={"name": "again"}))
        told = [event.data["epoch"] for event in desk.jobs.events(second.record.id) if event.type == "metrics"]
        assert told == [3], "two epochs were done before"
        once, twice = (models.describe(desk.artefacts, name) for name in ("mine", "again"))
        assert twice.weights_sha256 == once.weights_sha256
        assert twice.latents_sha256 == once.latents_sha256

    def test_starts_over_from_a_checkpoint_that_cannot_be_read(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        work.keep("checkpoint-4.safetensors", b"damaged")
        assert train(work, params)["epochs"] == 3

    def test_is_done_once_where_only_the_end_was_lost(self, desk: Desk, params: TrainParams) -> None:
        work = desk.start("train")
        summary = train(work, params)
        again = desk.again(work)
        assert train(again, params) == summary
        assert models.describe(desk.artefacts, "mine").version == work.record.id

    def test_never_replaces_another_jobs_model(self, desk: Desk, params: TrainParams) -> None:
        train(desk.start("train"), params)
        with pytest.raises(Conflict, match="mine"):
            train(desk.start("train"), params)

    def test_needs_a_data_set(self, desk: Desk, params: TrainParams) -> None:
        with pytest.raises(NotFound):
            train(desk.start("train"), params.model_copy(update={"dataset": "nothing"}))


class TestAugment:
    @pytest.fixture(autouse=True)
    def model(self, desk: Desk, params: TrainParams) -> None:
        train(desk.start("train"), params.model_copy(update={"epochs": 1}))

    def test_makes_k_images_of_each_with_their_provenance(self, desk: Desk) -> None:
        work = desk.start("augment")
        summary = augment(work, AugmentParams(dataset="digits", model="mine", k=2))
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        assert digits.labels is not None
        n = len(digits.train)
        assert (summary["sources"], summary["images"]) == (n, 2 * n)
        arrays = read_npz(desk.file(work, "images.npz"), LIMITS)
        assert (arrays["images"].shape, arrays["images"].dtype) == ((2 * n, 8, 8), np.uint8)
        assert np.array_equal(arrays["source"], digits.train.repeat(2))
        assert arrays["labels"].tolist() == [digits.classes[label] for label in digits.labels[arrays["source"]]]
        assert np.array_equal(digits.labels[arrays["neighbour"]], digits.labels[arrays["source"]])
        assert set(arrays["neighbour"].tolist()) <= set(digits.train.tolist())
        assert (arrays["neighbour"] != arrays["source"]).all()

    def test_takes_all_images_where_it_is_told_to_in_grey_or_colour(self, desk: Desk) -> None:
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        assert digits.labels is not None
        images = np.repeat(digits.images[:60], 3, axis=-1)
        labels = [f"digit {label % 2}" for label in digits.labels[:60]]
        datasets.create(desk.artefacts, "coloured", images, labels, desk.settings.max_dataset_bytes)
        work = desk.start("augment")
        summary = augment(work, AugmentParams(dataset="coloured", model="mine", whole=True, k=2, alpha=0))
        assert (summary["sources"], summary["images"]) == (60, 120)
        arrays = read_npz(desk.file(work, "images.npz"), LIMITS)
        assert arrays["source"].tolist() == np.arange(60).repeat(2).tolist()
        assert arrays["labels"].tolist() == [labels[source] for source in arrays["source"].tolist()]
        assert len(set(arrays["neighbour"].tolist())) > 40
        assert arrays["images"].shape == (120, 8, 8)

    @pytest.mark.stores
    def test_writes_a_zip_and_a_sheet_and_a_summary(self, desk: Desk) -> None:
        work = desk.start("augment")
        webhook = "https://example.org/hidden"  # may hold secrets of its owner
        augment(work, AugmentParams(dataset="digits", model="mine", method="noise", copies=1, seed=3, webhook=webhook))
        with zipfile.ZipFile(io.BytesIO(desk.file(work, "images.zip"))) as archive:
            rows = list(csv.DictReader(io.TextIOWrapper(archive.open("manifest.csv"))))
            names = archive.namelist()
        summary = json.loads(desk.file(work, "result.json"))
        assert len(rows) == summary["images"] == len(names) - 1
        assert {row["neighbour"] for row in rows} == {"-1"}
        assert "webhook" not in {*summary, *rows[0]}
        assert all(row["file"].startswith(f"{row['label']}/") for row in rows)
        assert {name.split("/")[0] for name in names} == {*"0123456789", "manifest.csv"}
        assert (summary["method"], summary["seed"], summary["shape"]) == ("noise", 3, [8, 8, 1])
        assert decode_image(desk.file(work, "report.png"), LIMITS).ndim == 3

    @pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation"])
    def test_the_same_seed_gives_the_same_bytes(self, desk: Desk, method: Any) -> None:
        params = AugmentParams(dataset="digits", model="mine", method=method, k=1)
        first, second = desk.start("augment"), desk.start("augment")
        augment(first, params)
        augment(second, params)
        assert desk.file(first, "images.npz") == desk.file(second, "images.npz")
        assert desk.file(first, "images.zip") == desk.file(second, "images.zip")

    def test_nothing_altered_leaves_the_residual_image_as_it_was(self, desk: Desk) -> None:
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="digits", model="mine", alpha=0, k=1, decode="residual"))
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        arrays = read_npz(desk.file(work, "images.npz"), LIMITS)
        assert np.array_equal(arrays["images"], digits.images[digits.train][..., 0])

    def test_images_of_another_size_are_refused(self, desk: Desk) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (12, 10, 10, 1), np.uint8)
        datasets.create(desk.artefacts, "larger", images, None, desk.settings.max_dataset_bytes)
        with pytest.raises(InvalidInput, match="this size"):
            augment(desk.start("augment"), AugmentParams(dataset="larger", model="mine"))

    def test_a_class_too_small_for_k_is_refused_with_the_largest_k(self, desk: Desk) -> None:
        images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), np.uint8)
        labels = np.array(["common"] * 26 + ["rare"] * 4)
        datasets.create(desk.artefacts, "uneven", images, labels, desk.settings.max_dataset_bytes)
        with pytest.raises(TooFewImages, match="class 'rare' has only"):
            augment(desk.start("augment"), AugmentParams(dataset="uneven", model="mine", k=10))

    def test_images_without_labels_have_neighbours_among_all(self, desk: Desk) -> None:
        images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), np.uint8)
        datasets.create(desk.artefacts, "plain", images, None, desk.settings.max_dataset_bytes)
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="plain", model="mine", k=1))
        assert set(read_npz(desk.file(work, "images.npz"), LIMITS)) == {"images", "source", "neighbour"}

    def test_unlabelled_images_train_and_are_augmented_like_others(self, desk: Desk, params: TrainParams) -> None:
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        assert digits.labels is not None
        names = [str(label) if row % 2 else None for row, label in enumerate(digits.labels[:400])]
        datasets.create(desk.artefacts, "half", digits.images[:400], names, desk.settings.max_dataset_bytes)
        half = datasets.load("half", desk.artefacts, [])
        train(desk.start("train"), params.model_copy(update={"dataset": "half", "name": "of-half", "epochs": 1}))
        model = models.describe(desk.artefacts, "of-half")
        projected = models.read_projected(desk.artefacts, model)
        assert half.labels is not None
        assert model.training_images == len(half.train) > len(half.labelled_train) > 0
        assert np.array_equal(projected.labels, half.labels[half.train])
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="half", model="of-half", k=2))
        made = read_npz(desk.file(work, "images.npz"), LIMITS)
        assert np.array_equal(made["source"], half.train.repeat(2))
        assert made["labels"].tolist() == [name or "" for name in half.names_of(made["source"].astype(np.int64)) or []]
        labelled = half.labels[made["source"]] != datasets.UNLABELLED
        assert (half.labels[made["neighbour"]] == half.labels[made["source"]])[labelled].all()
        assert len(set(half.labels[made["neighbour"][~labelled]])) > 2
        with zipfile.ZipFile(io.BytesIO(desk.file(work, "images.zip"))) as archive:
            rows = list(csv.DictReader(io.TextIOWrapper(archive.open("manifest.csv"))))
        assert [row["file"].split("/")[0] for row in rows] == [name or "unlabelled" for name in made["labels"].tolist()]

    def test_numbers_by_class_are_of_labelled_images(self, desk: Desk) -> None:
        images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
        labels = ["a"] * 10 + ["b"] * 5 + [None] * 25
        datasets.create(desk.artefacts, "some", images, labels, desk.settings.max_dataset_bytes)
        some = datasets.load("some", desk.artefacts, [])
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="some", model="mine", k=1, balance="majority"))
        made = read_npz(desk.file(work, "images.npz"), LIMITS)
        assert some.labels is not None
        sizes = np.bincount(some.labels[some.labelled_train])
        assert made["labels"].tolist() == ["b"] * (sizes[0] - sizes[1])

    def test_more_bytes_than_allowed_are_never_made(self, desk: Desk) -> None:
        work = desk.start("augment")
        work.settings = desk.settings.model_copy(update={"max_result_bytes": 10_000})
        with pytest.raises(TooLarge, match="ask for fewer"):
            augment(work, AugmentParams(dataset="digits", model="mine"))

    def test_more_images_than_a_job_makes_are_refused_with_the_most_that_fit(self, desk: Desk) -> None:
        with pytest.raises(TooLarge, match=r"1079000 new images .* per_image can be up to 914$"):
            augment(desk.start("augment"), AugmentParams(dataset="digits", model="mine", per_image=1000))
        with pytest.raises(TooLarge, match=r"at most 986895 .* per_image can be up to 914$"):
            augment(desk.start("augment"), AugmentParams(dataset="digits", model="mine", per_class=10_000_000))

    def test_a_sheet_of_many_children_shows_the_first(self, desk: Desk) -> None:
        images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
        datasets.create(desk.artefacts, "few", images, None, desk.settings.max_dataset_bytes)
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="few", model="mine", method="noise", per_image=70))
        assert decode_image(desk.file(work, "report.png"), LIMITS).shape[1] == 2 + (1 + 64) * (2 * 8 + 2)

    def test_needs_a_model(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            augment(desk.start("augment"), AugmentParams(dataset="digits", model="nothing"))
