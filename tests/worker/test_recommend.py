"""The recommend job in this process, and the augment job that makes what it recommends."""

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
from latentaug.evaluation.recommendation import Spreads
from latentaug.evaluation.trials import Trial
from latentaug.evaluation.work_units import Cell
from latentaug.imaging.archives import read_npz
from latentaug.imaging.pixels import Limits
from latentaug.options import AugmentParams, Part, Recipe, RecommendParams, Spreading, TrainParams
from tests.pictures import decode_image
from tests.worker.desk import Desk
from worker.augment import augment
from worker.recommend import Progress, recommend
from worker.train import train

LIMITS = Limits(max_images=100_000, max_pixels=10**7, max_bytes=10**9)
SPREAD = Recipe(spread=Spreading(space="pixels", images=200), parts=[Part(source="affine", copies=2)], seed=5)


@pytest.fixture
def params() -> RecommendParams:
    return RecommendParams(dataset="digits", labelled=30, classifiers=["knn"], budget_seconds=600)


@pytest.fixture
def partly(desk: Desk) -> str:
    """Digits of which the first 16 of each class have a label, as an upload."""
    digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
    assert digits.labels is not None
    labels: list[str | None] = [digits.classes[label] for label in digits.labels]
    for label in range(10):
        for row in np.flatnonzero(digits.labels == label)[16:]:
            labels[row] = None
    datasets.create(desk.artefacts, "partly", digits.images, labels, 10**9)
    return "partly"


def test_what_another_release_has_kept_is_read_as_far_as_it_is_known() -> None:
    trial, cell = Trial(0, 1, "knn", "AA=="), Cell(0, "image", None, "none", None, "knn", 90.0, 0.5)
    kept = Progress(
        [trial], SPREAD, {"affine": SPREAD}, [cell], [Spreads(0, "pixels", 5, 0.9, 0.8, 1.0, None)], 1.5, 2.5
    )
    added = json.loads(kept.written())
    for one in (added, added["trials"][0], added["cells"][0], added["spreads"][0], added["recipe"]):
        one["new"] = {"in": "a newer release"}

    assert Progress.read(json.dumps(added).encode()) == kept
    assert Progress.read(b'{"trials": [{"another": "form"}]}') == Progress(), "it starts from the beginning"


class TestRecommend:
    def test_finds_that_spread_labels_help_and_says_so(self, desk: Desk, params: RecommendParams) -> None:
        work = desk.start("recommend", params.model_dump(mode="json"))
        summary = recommend(work, params)
        result = json.loads(desk.file(work, "result.json"))
        assert summary["recipe"] == result["recipe"]
        assert Recipe.model_validate(result["recipe"]).spread is not None
        assert result["verdict"] == result["verdicts"] == summary["verdict"]
        assert {row["arm"] for row in result["rows"]} == {"none", "affine", "recommended"}
        recommended = [row for row in result["rows"] if row["arm"] == "recommended"]
        assert all(row["accuracy"] > 90 and row["gain"]["mean"] > 5 for row in recommended)
        assert result["verdict"]["knn"].startswith("Use the recommended training set: +")
        assert all(one["right"] > 0.9 for one in result["spreads"])

    def test_tells_what_was_tried_with_what_it_gave(self, desk: Desk, params: RecommendParams) -> None:
        work = desk.start("recommend")
        recommend(work, params)
        tried = json.loads(desk.file(work, "result.json"))["tried"]
        assert set(tried) == {"all", "knn"}
        spread = [one for one in tried["all"] if one["recipe"]["spread"]]
        alone = [one for one in tried["all"] if not one["recipe"]["spread"]]
        assert spread[0]["accuracy"]["knn"] > alone[0]["accuracy"]["knn"]
        assert "newly labelled" in spread[0]["described"]

    def test_reports_as_text_table_and_picture(self, desk: Desk, params: RecommendParams) -> None:
        work = desk.start("recommend")
        recommend(work, params)
        text = desk.file(work, "report.md").decode()
        assert text.startswith("# The recommended training set")
        assert "were expected to be right; in truth" in text
        table = list(csv.DictReader(io.StringIO(desk.file(work, "report.csv").decode())))
        assert {(row["classifier"], row["arm"]) for row in table} == {
            ("knn", arm) for arm in ("none", "affine", "recommended")
        }
        assert decode_image(desk.file(work, "report.png"), LIMITS).ndim == 3

    def test_measures_a_partly_labelled_data_set_on_its_test_part(
        self, desk: Desk, params: RecommendParams, partly: str
    ) -> None:
        work = desk.start("recommend")
        recommend(work, params.model_copy(update={"dataset": partly, "labelled": None}))
        result = json.loads(desk.file(work, "result.json"))
        assert all(row["gain"]["over"] == "test images" for row in result["rows"] if row["gain"])
        assert [one["right"] for one in result["spreads"]] == [None] * len(result["spreads"])
        assert "over the test images" in desk.file(work, "report.md").decode()

    def test_serves_a_data_set_in_which_every_image_has_a_label(self, desk: Desk, params: RecommendParams) -> None:
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        assert digits.labels is not None
        labels = [digits.classes[label] for label in digits.labels[:120]]
        datasets.create(desk.artefacts, "whole", digits.images[:120], labels, 10**9)
        work = desk.start("recommend")
        recommend(work, params.model_copy(update={"dataset": "whole", "labelled": None, "budget_seconds": 5}))
        result = json.loads(desk.file(work, "result.json"))
        assert result["recipe"]["spread"] is None
        assert result["verdict"]["knn"]
        assert any("no unlabelled images" in warning for warning in result["warnings"])

    def test_needs_labels_of_two_classes(self, desk: Desk, params: RecommendParams) -> None:
        images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
        datasets.create(desk.artefacts, "bare", images, None, 10**9)
        datasets.create(desk.artefacts, "same", images, ["one"] * 20, 10**9)
        for name, words in (("bare", "no labels"), ("same", "two classes")):
            with pytest.raises(InvalidInput, match=words):
                recommend(desk.start("recommend"), params.model_copy(update={"dataset": name, "labelled": None}))

    def test_refuses_too_few_labelled_and_a_model_of_other_data(
        self, desk: Desk, params: RecommendParams, partly: str
    ) -> None:
        train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=1))
        with pytest.raises(TooFewImages):
            recommend(desk.start("recommend"), params.model_copy(update={"labelled": 9}))
        other = params.model_copy(update={"dataset": partly, "labelled": None, "model": "mine"})
        with pytest.raises(Conflict, match="other data"):
            recommend(desk.start("recommend"), other)

    def test_goes_on_from_what_was_tried_before_its_process_died(
        self, desk: Desk, params: RecommendParams, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = desk.start("recommend")
        reports = iter(range(100))

        def die(fraction: float, stage: str, *_: Any, **__: Any) -> None:
            if "trying" in stage and next(reports) == 5:
                raise KeyboardInterrupt

        monkeypatch.setattr(work, "report", die)
        with pytest.raises(KeyboardInterrupt):
            recommend(work, params)
        kept = Progress.read(work.recall("recommend.json"))
        assert len(kept.trials) == 6
        assert kept.seconds > 0
        again = desk.again(work)
        told = _told(again, monkeypatch)
        recommend(again, params)
        assert {"candidate": 0, "fold": 0, "classifier": "knn"} not in told
        assert any(metrics.get("arm") == "recommended" for metrics in told)

    def test_measures_no_cell_twice(self, desk: Desk, params: RecommendParams, monkeypatch: pytest.MonkeyPatch) -> None:
        work = desk.start("recommend")

        def die(fraction: float, stage: str, *_: Any, **__: Any) -> None:
            if "draw 2" in stage:
                raise KeyboardInterrupt

        monkeypatch.setattr(work, "report", die)
        with pytest.raises(KeyboardInterrupt):
            recommend(work, params)
        before = Progress.read(work.recall("recommend.json"))
        again = desk.again(work)
        told = _told(again, monkeypatch)
        recommend(again, params)
        assert not [metrics for metrics in told if metrics.get("draw") == 0 or "candidate" in metrics]
        cells = json.loads(desk.file(again, "result.json"))["cells"]
        assert [cell["seconds"] for cell in cells[: len(before.cells)]] == [cell.seconds for cell in before.cells]

    def test_stops_when_it_was_cancelled(self, desk: Desk, params: RecommendParams) -> None:
        work = desk.start("recommend")
        desk.jobs.cancel(work.record.id)
        with pytest.raises(Cancelled):
            recommend(work, params)


class TestTrainingSet:
    def test_is_made_whole_with_where_each_image_comes_from(self, desk: Desk, partly: str) -> None:
        work = desk.start("augment")
        summary = augment(work, AugmentParams(dataset=partly, recipe=SPREAD))
        data = datasets.load(partly, desk.artefacts, desk.settings.dataset_folders)
        assert data.labels is not None
        real = len(data.labelled_train)
        assert (summary["real"], summary["labelled"], summary["new"]) == (real, 200, 2 * (real + 200))
        arrays = read_npz(desk.file(work, "images.npz"), LIMITS)
        kind, source = arrays["kind"], arrays["source"]
        assert np.array_equal(np.sort(source[kind == "real"]), data.labelled_train)
        assert set(source[kind == "labelled"]) <= set(data.pool)
        assert not set(source) & set(data.test)
        for row in np.flatnonzero(kind != "new"):
            assert np.array_equal(arrays["images"][row], data.images[source[row], ..., 0])
        assert (arrays["confidence"][kind == "real"] == 1).all()
        assert (arrays["confidence"][kind == "labelled"] <= 1).all()
        names = [data.classes[label] for label in data.labels[source[kind == "real"]]]
        assert arrays["labels"][kind == "real"].tolist() == names
        assert set(arrays["method"][kind == "new"]) == {"affine"}

    def test_lies_in_class_folders_with_a_manifest(self, desk: Desk, partly: str) -> None:
        work = desk.start("augment")
        augment(work, AugmentParams(dataset=partly, recipe=SPREAD))
        with zipfile.ZipFile(io.BytesIO(desk.file(work, "images.zip"))) as archive:
            rows = list(csv.DictReader(io.TextIOWrapper(archive.open("manifest.csv"))))
            names = set(archive.namelist()) - {"manifest.csv"}
        assert {row["file"] for row in rows} == names
        assert all(row["file"].startswith(f"{row['label']}/") for row in rows)
        assert {row["kind"] for row in rows} == {"real", "labelled", "new"}
        assert decode_image(desk.file(work, "report.png"), LIMITS).ndim == 3

    def test_the_same_recipe_gives_the_same_bytes(self, desk: Desk, partly: str) -> None:
        first, second = desk.start("augment"), desk.start("augment")
        for work in (first, second):
            augment(work, AugmentParams(dataset=partly, recipe=SPREAD))
        for file in ("images.npz", "images.zip"):
            assert desk.file(first, file) == desk.file(second, file)

    def test_is_what_a_recommend_job_found(self, desk: Desk, params: RecommendParams, partly: str) -> None:
        found = desk.start("recommend")
        recipe = recommend(found, params.model_copy(update={"dataset": partly, "labelled": None}))["recipe"]
        by_id, by_object = desk.start("augment"), desk.start("augment")
        augment(by_id, AugmentParams(dataset=partly, recipe=found.record.id))
        augment(by_object, AugmentParams.model_validate({"dataset": partly, "recipe": recipe}))
        assert desk.file(by_id, "images.npz") == desk.file(by_object, "images.npz")

    def test_has_the_vaes_images_where_a_recipe_says_so(self, desk: Desk) -> None:
        train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=1))
        parts = [Part(source="interpolation", copies=5), Part(source="noise", alpha=0.2, decode="reconstruction")]
        work = desk.start("augment")
        summary = augment(work, AugmentParams(dataset="digits", recipe=Recipe(model="mine", parts=parts)))
        digits = datasets.load("digits", desk.artefacts, desk.settings.dataset_folders)
        assert summary["new"] == 6 * len(digits.train)
        arrays = read_npz(desk.file(work, "images.npz"), LIMITS)
        moved = arrays["method"] == "interpolation"
        assert digits.labels is not None
        assert np.array_equal(digits.labels[arrays["source"][moved]], digits.labels[arrays["neighbour"][moved]])
        assert set(arrays["neighbour"][arrays["method"] == "noise"]) == {-1}

    def test_may_take_the_whole_data_set(self, desk: Desk) -> None:
        work = desk.start("augment")
        augment(work, AugmentParams(dataset="digits", recipe=Recipe(), whole=True))
        assert read_npz(desk.file(work, "images.npz"), LIMITS)["source"].tolist() == list(range(1797))

    def test_is_bounded(self, desk: Desk) -> None:
        many = Recipe(parts=[Part(source="affine", copies=1000)] * 2)
        with pytest.raises(TooLarge, match="fewer copies"):
            augment(desk.start("augment"), AugmentParams(dataset="digits", recipe=many))

    def test_needs_a_recommend_job_that_is_there(self, desk: Desk) -> None:
        with pytest.raises(NotFound, match="no recipe"):
            augment(desk.start("augment"), AugmentParams(dataset="digits", recipe="0" * 32))

    def test_says_where_a_class_has_no_neighbours(self, desk: Desk) -> None:
        train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=1))
        images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
        datasets.create(desk.artefacts, "few", images, ["a"] * 8 + ["b"], 10**9)
        recipe = Recipe(model="mine", parts=[Part(source="extrapolation")])
        with pytest.raises(TooFewImages, match="at least 2 images of each class"):
            augment(desk.start("augment"), AugmentParams(dataset="few", recipe=recipe))


def _told(work: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What an attempt tells of each step from here on."""
    told: list[dict[str, Any]] = []

    def listen(fraction: float, stage: str, eta: float | None = None, metrics: Any = None, **_: Any) -> None:
        told.append(metrics or {})

    monkeypatch.setattr(work, "report", listen)
    return told
