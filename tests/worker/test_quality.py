"""The quality report of augment jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentaug import datasets
from latentaug.errors import Cancelled
from latentaug.evaluation import quality_report
from latentaug.imaging.pixels import Limits
from latentaug.options import AugmentParams, Part, Recipe, TrainParams
from tests.pictures import decode_image
from tests.worker.desk import Desk
from worker import quality
from worker.augment import augment
from worker.train import train
from worker.work import Work


@pytest.fixture(autouse=True)
def model(desk: Desk) -> None:
    train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=8, epochs=5, beta=0.1))


def made(desk: Desk, **params: Any) -> tuple[dict[str, Any], dict[str, Any], Work]:
    """What an augment job's record says, its report, and the job."""
    work = desk.start("augment")
    summary = augment(work, AugmentParams(dataset="digits", model="mine", **params))
    return summary["quality"], json.loads(desk.file(work, "quality.json")), work


def test_every_augment_job_tells_how_good_its_images_are(desk: Desk) -> None:
    told, report, work = made(desk, k=2)

    digits = datasets.load("digits", desk.artefacts, [])
    assert (report["new_images"], report["real_images"]) == (2 * len(digits.train), len(digits.train))
    assert (report["unseen"], report["unseen_images"]) == ("held_out", len(digits.validation) + len(digits.test))
    assert report["near_copies_of"] == "source"
    assert report["density"] > 0.8
    assert report["label_agreement"] > 0.8 * report["label_agreement_of_unseen"] > 0.5
    assert 0.5 < report["nearer_than_unseen"] < 1
    assert set(told) == quality.TOLD
    assert all(report[name] == value for name, value in told.items())
    assert json.loads(desk.file(work, "result.json"))["quality"] == told
    assert decode_image(desk.file(work, "quality.png"), Limits()).shape[2] == 3


def test_images_that_are_the_source_itself_are_called_copies(desk: Desk) -> None:
    told, _, _ = made(desk, alpha=0, k=1, decode="residual")

    assert (told["near_copies"], told["nearer_than_unseen"]) == (1, 1)
    assert told["sentence"].startswith("100 % of the new images are near-copies of their sources")
    assert "add little" in told["warning"]


def test_images_that_nobody_should_train_on_are_called_so(desk: Desk) -> None:
    told, _, _ = made(desk, method="noise", alpha=10, copies=1, decode="reconstruction")

    assert told["density"] < 0.5
    assert "Do not train on these images" in told["warning"]


def test_images_without_labels_have_a_report_too(desk: Desk) -> None:
    images = datasets.load("digits", desk.artefacts, []).images[:300]
    datasets.create(desk.artefacts, "bare", images, None, desk.settings.max_dataset_bytes)
    work = desk.start("augment")

    told = augment(work, AugmentParams(dataset="bare", model="mine", k=1))["quality"]

    assert told["label_agreement"] is None
    assert told["density"] > 0.5


def test_where_nothing_can_be_measured_the_job_succeeds_without(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "FEWEST", 10_000)
    work = desk.start("augment")

    summary = augment(work, AugmentParams(dataset="digits", model="mine", k=1))

    assert summary["quality"] is None
    assert not Path(f"{desk.settings.home}/store/jobs/{work.record.id}/quality.json").exists()
    assert desk.file(work, "images.npz")


def test_large_pictures_are_measured_by_fewer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST_VALUES", 100 * 64)

    _, report, _ = made(desk, k=1)

    assert (report["new_images"], report["unseen_images"]) == (100, 100)
    assert report["density"] == pytest.approx(1, abs=0.6)


def test_a_recipe_with_a_model_tells_of_its_new_images_alone(desk: Desk) -> None:
    recipe = Recipe(model="mine", parts=[Part(source="interpolation", copies=2), Part(source="affine", copies=1)])
    work = desk.start("augment")

    summary = augment(work, AugmentParams(dataset="digits", recipe=recipe))

    report = json.loads(desk.file(work, "quality.json"))
    assert report["new_images"] == summary["new"]
    assert summary["quality"]["sentence"] == report["sentence"]
    assert json.loads(desk.file(work, "result.json"))["quality"] == summary["quality"]
    assert decode_image(desk.file(work, "quality.png"), Limits()).ndim == 3


def test_copies_that_no_alpha_made_are_not_to_have_another_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_report, "MOST_COPIES", -1.0)  # whatever is made counts as copied
    told = {}
    for source in ("affine", "interpolation"):
        recipe = Recipe(model="mine", parts=[Part(source=source, copies=1)])
        told[source] = augment(desk.start("augment"), AugmentParams(dataset="digits", recipe=recipe))["quality"][
            "warning"
        ]

    assert "Train without these images" in told["affine"]
    assert "alpha" not in told["affine"]
    assert "Take a larger alpha, or train without these images" in told["interpolation"]


def test_a_recipe_of_the_whole_data_set_has_no_images_left_to_set_beside(desk: Desk) -> None:
    recipe = Recipe(model="mine", parts=[Part(source="noise", copies=1)])
    work = desk.start("augment")

    augment(work, AugmentParams(dataset="digits", recipe=recipe, whole=True))

    assert json.loads(desk.file(work, "quality.json"))["unseen"] == "left_out"


def test_a_recipe_without_a_model_has_nothing_to_measure_by(desk: Desk) -> None:
    work = desk.start("augment")
    recipe = Recipe(parts=[Part(source="affine", copies=1)])

    assert augment(work, AugmentParams(dataset="digits", recipe=recipe))["quality"] is None


def test_a_cancelled_job_stops_while_it_is_measured(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    work = desk.start("augment")
    report = work.report

    def cancel_when_measuring(fraction: float, stage: str, *rest: Any, **named: Any) -> None:
        if stage == quality.STAGE:
            desk.jobs.cancel(work.record.id)
        report(fraction, stage, *rest, **named)

    monkeypatch.setattr(work, "report", cancel_when_measuring)
    with pytest.raises(Cancelled):
        augment(work, AugmentParams(dataset="digits", model="mine", k=1))


def test_the_same_job_has_the_same_report(desk: Desk) -> None:
    first, second = (made(desk, method="noise", copies=1)[2] for _ in range(2))

    assert desk.file(first, "quality.json") == desk.file(second, "quality.json")
    assert desk.file(first, "quality.png") == desk.file(second, "quality.png")
    assert np.isfinite(json.loads(desk.file(first, "quality.json"))["density"])
