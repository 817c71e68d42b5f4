"""Jobs on data sets that stay in their file: what they make is what they make of images in memory."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from latentaug import datasets
from latentaug.datasets import uploads
from latentaug.imaging.archives import read_npz
from latentaug.imaging.pixels import Limits
from latentaug.options import LabelParams, TrainParams
from latentaug.storage import models
from tests.worker.desk import Desk
from tests.worker.test_label import LARGE, partly_labelled
from worker import label as label_job
from worker import torchrun, vaes
from worker.label import label
from worker.train import train
from worker.work import Work

LIMITS = Limits(max_images=1000, max_bytes=LARGE)


@pytest.fixture
def both(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The data set `few`, and two models of it: `memory` and, trained from its file, `file`."""
    images, names = partly_labelled()
    datasets.create(desk.artefacts, "few", images, names, LARGE)
    for name, most in (("memory", LARGE), ("file", 0)):
        monkeypatch.setattr(uploads, "MOST_IN_MEMORY", most)
        train(desk.start("train"), TrainParams(dataset="few", name=name, latent_dim=8, epochs=2, beta=0.1))
    return desk


def named(desk: Desk, work: Work, *files: str) -> list[str]:
    """The images in all of these zips, by the names that they would have in one folder."""
    archives = [zipfile.ZipFile(io.BytesIO(desk.file(work, file))) for file in files]
    return [name for archive in archives for name in archive.namelist() if name.endswith(".png")]


def images_of(desk: Desk, work: Work, file: str) -> dict[str, Any]:
    return dict(read_npz(desk.file(work, file), LIMITS))


def test_training_and_labels_are_the_same_from_memory_and_from_a_file(
    both: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, file = (models.describe(both.artefacts, name) for name in ("memory", "file"))
    assert file.weights_sha256 == memory.weights_sha256
    assert file.latents_sha256 == memory.latents_sha256
    assert file.dataset_checksum == memory.dataset_checksum

    works = {name: both.start("label") for name in ("file", "memory", "shards")}
    for name, work in works.items():
        monkeypatch.setattr(uploads, "MOST_IN_MEMORY", LARGE if name == "memory" else 0)
        monkeypatch.setattr(label_job, "SHARD", 90)
        monkeypatch.setattr(label_job, "most_of_a_job", lambda *_, few=name == "shards": 100 if few else LARGE)
        summary = label(work, LabelParams(dataset="few", model="memory"))

    results = {name: json.loads(both.file(work, "result.json")) for name, work in works.items()}
    assert results["file"] == results["memory"]
    assert summary["shards"] == results["shards"].pop("shards") == -(-summary["kept"] // 90)
    assert results["shards"] == results["memory"]
    for file_name in ("rows.csv", "images.npz", "images.zip"):
        if file_name == "rows.csv":
            assert both.file(works["shards"], file_name) == both.file(works["memory"], file_name)
        assert both.file(works["file"], file_name) == both.file(works["memory"], file_name)
    zips = [f"images-{number}.zip" for number in range(summary["shards"])]
    assert named(both, works["shards"], *zips) == named(both, works["memory"], "images.zip")
    whole = images_of(both, works["memory"], "images.npz")
    parts = [images_of(both, works["shards"], f"images-{number}.npz") for number in range(summary["shards"])]
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)


@pytest.mark.slow
def test_several_processes_train_from_files_too(both: Desk) -> None:
    dataset = datasets.load("few", both.artefacts, both.settings.dataset_folders)
    assert dataset.mapped
    options = TrainParams(dataset="few", epochs=1, beta=0.1, seed=0)
    curve = list[float]()
    trained = torchrun.fit_on_several(
        2,
        1,
        dataset.take(dataset.train),
        dataset.take(dataset.validation),
        8,
        vaes.options(options),
        device="cpu",
        on_epoch=lambda metrics: curve.append(metrics.train_loss),
        on_checkpoint=lambda make: None,
    )
    reference = models.describe(both.artefacts, "memory").curve[0]["train_loss"]
    assert curve == [pytest.approx(reference, rel=1e-3)]
    assert trained.best_epoch == 1
