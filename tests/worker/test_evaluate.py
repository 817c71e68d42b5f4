"""An evaluate job and its children, all in this process: what is measured, what is told, and what a failure costs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from latentaug import datasets
from latentaug.imaging.pixels import Limits
from latentaug.options import EvaluateParams, TrainParams
from latentaug.runtime.jobs import JobRecord
from tests.pictures import decode_image
from tests.worker.desk import Desk
from worker import sub_jobs as children
from worker.grid import Grid
from worker.train import train

LIMITS = Limits(max_images=100_000, max_pixels=10**7, max_bytes=10**9)


@pytest.fixture
def small() -> EvaluateParams:
    return EvaluateParams(
        dataset="digits",
        latent_dims=[4],
        labelled=40,
        draws=2,
        epochs=2,
        methods=["interpolation"],
        classifiers=["knn"],
        comparators=["duplication"],
        combine=False,
        tune=False,
    )


@pytest.fixture
def two(small: EvaluateParams) -> EvaluateParams:
    return small.model_copy(update={"latent_dims": [3, 4], "epochs": 1})


def metrics(desk: Desk, record: JobRecord) -> list[dict[str, Any]]:
    return [event.data for event in desk.jobs.events(record.id) if event.type == "metrics"]


def accuracies(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(*(cell[key] for key in ("draw", "space", "arm", "accuracy")),) for cell in result["cells"]]


def fail_for(monkeypatch: pytest.MonkeyPatch, method: str, latent_dim: int) -> None:
    """Make a step fail wherever it meets a VAE of this latent dimension, as a damaged file would."""
    step = getattr(Grid, method)

    def failing(grid: Grid, subject: Any) -> Any:
        found = step(grid, subject)
        dims = found if isinstance(found, dict) else [subject.architecture.latent_dim]
        if list(dims) == [latent_dim]:
            raise OSError("damaged")
        return found

    monkeypatch.setattr(Grid, method, failing)


def test_writes_a_report_in_four_forms_and_leaves_nothing_else(desk: Desk, small: EvaluateParams) -> None:
    record = desk.evaluate(small)
    result = desk.result(record)
    assert record.status == "succeeded"
    assert record.result is not None
    assert record.result["verdicts"] == result["verdicts"]
    assert result["dataset"] == "digits"
    assert result["protocol"]["labelled"] == 40
    assert {cell["classifier"] for cell in result["cells"]} == {"knn"}
    assert {cell["arm"] for cell in result["cells"]} == {"none", "duplication", "interpolation"}
    folder = f"jobs/{record.id}"
    assert desk.artefacts.files(folder) == ["record.json", "report.csv", "report.md", "report.png", "result.json"]
    assert not desk.artefacts.files(f"{folder}/kept")
    assert not desk.artefacts.files(f"{folder}/kept/cells")
    assert decode_image(desk.artefacts.get(f"{folder}/report.png"), LIMITS).ndim == 3
    assert not list(desk.redis.scan_iter(f"latentaug:*{record.id}_*"))
    assert not list(desk.redis.scan_iter("latentaug:sub-jobs:*"))


def test_counts_its_children_and_hides_them(desk: Desk, small: EvaluateParams) -> None:
    record = desk.evaluate(small)
    assert record.sub_jobs is not None
    assert record.sub_jobs.model_dump() == {"queued": 0, "running": 0, "done": 1 + 2 * 2, "failed": 0}
    assert [listed.id for listed in desk.jobs.list()[0]] == [record.id]
    assert desk.jobs.counts()["evaluate", "succeeded"] == 1


def test_tells_epochs_and_cells_and_how_far_the_whole_is(desk: Desk, small: EvaluateParams) -> None:
    record = desk.evaluate(small)
    told = metrics(desk, record)
    assert [entry["epoch"] for entry in told[:2]] == [1, 2]
    assert sorted(entry["accuracy"] for entry in told[2:]) == sorted(
        cell["accuracy"] for cell in desk.result(record)["cells"]
    )
    progress = [event.data for event in desk.jobs.events(record.id) if event.type == "progress"]
    fractions = [entry["fraction"] for entry in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    stages = {entry["stage"]: entry for entry in progress}
    assert stages["training a VAE of 4 dimensions, epoch 2"]["fraction"] == pytest.approx(0.3)
    assert stages["draw 2 of 2, latent space, knn"]["eta_seconds"] >= 0


def test_measures_on_a_model_that_was_trained_before(desk: Desk, small: EvaluateParams) -> None:
    train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=1))
    train(desk.start("train"), TrainParams(dataset="digits", name="narrow", latent_dim=3, epochs=1))
    record = desk.evaluate(small.model_copy(update={"latent_dims": None, "model": ["mine", "narrow"]}))
    result = desk.result(record)
    assert {cell["latent_dim"] for cell in result["cells"]} == {None, 4, 3}
    assert result["model"] == ["mine", "narrow"]


def test_refuses_two_models_of_one_latent_dimension(desk: Desk, small: EvaluateParams) -> None:
    for name in ("mine", "too"):
        train(desk.start("train"), TrainParams(dataset="digits", name=name, latent_dim=4, epochs=1))
    record = desk.evaluate(small.model_copy(update={"latent_dims": None, "model": ["mine", "too"]}))
    assert "name one of each" in desk.error(record).detail


def test_draws_the_papers_figures_and_curves_beside_other_evaluations(desk: Desk, small: EvaluateParams) -> None:
    first = desk.evaluate(small)
    more_labels = desk.evaluate(small.model_copy(update={"labelled": 60, "beside": [first.id]}))
    more_copies = desk.evaluate(small.model_copy(update={"k": 2, "beside": [first.id, more_labels.id]}))
    papers = {"reconstructions", "interpolations", "generation"}
    drawn = {
        record.id: {
            name
            for name in (*papers, "accuracy-by-labels", "gain-by-copies")
            if desk.artefacts.exists(f"jobs/{record.id}/figures/{name}.png")
        }
        for record in (first, more_labels, more_copies)
    }
    assert drawn == {
        first.id: papers,
        more_labels.id: {*papers, "accuracy-by-labels"},
        more_copies.id: {*papers, "gain-by-copies"},
    }
    for name in papers:
        assert decode_image(desk.artefacts.get(f"jobs/{first.id}/figures/{name}.png"), LIMITS).std() > 10


def test_refuses_a_model_of_other_data(desk: Desk, small: EvaluateParams) -> None:
    train(desk.start("train"), TrainParams(dataset="digits", name="mine", latent_dim=4, epochs=1))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    datasets.create(desk.artefacts, "other", images, ["a", "b"] * 20, desk.settings.max_dataset_bytes)
    record = desk.evaluate(
        small.model_copy(update={"dataset": "other", "latent_dims": None, "model": ["mine"], "labelled": None})
    )
    assert desk.error(record).code == "conflict"
    assert "other data" in desk.error(record).detail


@pytest.mark.parametrize(("labels", "labelled", "word"), [(None, 2, "labels"), (["a", "b"] * 6, 100, "labelled")])
def test_refuses_before_anything_is_computed(
    desk: Desk, small: EvaluateParams, labels: list[str] | None, labelled: int, word: str
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    datasets.create(desk.artefacts, "plain", images, labels, desk.settings.max_dataset_bytes)
    record = desk.evaluate(small.model_copy(update={"dataset": "plain", "labelled": labelled}))
    assert word in desk.error(record).detail
    assert record.sub_jobs is None


def test_a_second_attempt_measures_only_what_is_left(
    desk: Desk, small: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = small.model_copy(update={"spaces": ["image"], "draws": 1})
    whole, work = desk.evaluate(small), desk.start("evaluate", small.model_dump(mode="json"))
    keep = Grid.keep_cells

    def die_in_the_third_cell(grid: Grid, unit: Any, cells: Any) -> None:
        if len(cells) == 3:
            raise KeyboardInterrupt
        keep(grid, unit, cells)

    with monkeypatch.context() as patch:
        patch.setattr(Grid, "keep_cells", die_in_the_third_cell)
        with pytest.raises(KeyboardInterrupt):
            desk.finish(work)
    child = desk.jobs.sub_jobs(work.record.id, "running")[0]
    desk.finish(desk.again(child))
    record = desk.jobs.get(work.record.id)
    told = metrics(desk, record)
    assert [entry.get("epoch") for entry in told[:2]] == [1, 2], "the VAE was trained once"
    assert len(told) == 2 + len(desk.result(whole)["cells"]), "each cell was measured once"
    assert accuracies(desk.result(record)) == accuracies(desk.result(whole))


def test_a_failed_unit_is_reported_and_the_rest_stands(
    desk: Desk, two: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(monkeypatch, "projections", 3)
    record = desk.evaluate(two)
    result = desk.result(record)
    assert record.status == "succeeded"
    assert record.sub_jobs is not None
    assert (record.sub_jobs.done, record.sub_jobs.failed) == (2 + 2 * 2, 2)
    assert [warning for warning in result["warnings"] if "0-latent-3-knn" in warning and "damaged" in warning]
    assert {(cell["space"], cell["latent_dim"]) for cell in result["cells"]} == {
        ("image", None),
        ("image", 3),
        ("image", 4),
        ("latent", 4),
    }


def test_without_one_vae_the_others_are_measured(
    desk: Desk, two: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(monkeypatch, "keep_vae", 3)
    record = desk.evaluate(two)
    result = desk.result(record)
    assert {cell["latent_dim"] for cell in result["cells"]} == {None, 4}
    assert [warning for warning in result["warnings"] if "latent_dim 3" in warning and "damaged" in warning]


def test_where_every_part_fails_the_job_does(
    desk: Desk, small: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_for(patch, "keep_vae", 4)
        untrained = desk.evaluate(small)
    fail_for(monkeypatch, "projections", 4)
    unmeasured = desk.evaluate(small)
    for record, what in ((untrained, "VAE"), (unmeasured, "unit")):
        assert record.status == "failed"
        assert desk.error(record).code == "internal_error"
        assert f"every {what} has failed" in desk.error(record).detail
        assert "damaged" in desk.error(record).detail


def test_a_process_reads_a_jobs_data_set_once_for_all_its_sub_jobs(
    desk: Desk, small: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), np.uint8)
    datasets.create(desk.artefacts, "passing", images, ["a", "b"] * 40, desk.settings.max_dataset_bytes)
    keep = Grid.keep_vae

    def delete_the_data_set_then(grid: Grid, vae: Any) -> None:
        keep(grid, vae)
        datasets.delete(grid.work.artefacts, "passing")

    monkeypatch.setattr(Grid, "keep_vae", delete_the_data_set_then)
    passing = small.model_copy(update={"dataset": "passing", "labelled": 20})
    record = desk.evaluate(passing)
    assert record.sub_jobs is not None
    assert (record.status, record.sub_jobs.done) == ("succeeded", 1 + 2 * 2), "nothing was left to be read again"
    assert desk.error(desk.evaluate(passing)).code == "not_found", "another job reads for itself"


def test_a_process_holds_what_it_has_read_for_one_job_only(desk: Desk, small: EvaluateParams) -> None:
    first = Grid.of(desk.start("evaluate"), small)
    assert Grid.of(first.work, small).loaded is first.loaded
    held = weakref.ref(first.loaded)
    del first
    Grid.of(desk.start("evaluate"), small)
    gc.collect()
    assert held() is None


def test_a_process_goes_on_with_its_job_for_a_while_only(
    desk: Desk, small: EvaluateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.tasks.GO_ON", 0.0)
    record = desk.evaluate(small)
    assert record.status == "running"
    assert record.sub_jobs is not None
    assert record.sub_jobs.model_dump() == {"queued": 1, "running": 0, "done": 0, "failed": 0}


def test_what_a_child_is_to_do_is_checked(desk: Desk, small: EvaluateParams) -> None:
    work = desk.start("evaluate", small.model_dump(mode="json"))
    child = desk.jobs.fan_out(work.record.id, 1, {"odd": {"task": "os.system", "command": "true"}}, 0, 1)[0]
    with pytest.raises(ValueError, match="task"):
        children.task_of(child)


def test_partly_labelled_data_are_evaluated_and_their_unlabelled_images_get_labels(
    desk: Desk, small: EvaluateParams
) -> None:
    digits = datasets.load("digits", desk.artefacts, ())
    labels = np.asarray(digits.labels).copy()
    labels[np.random.default_rng(0).permutation(len(labels))[:1200]] = datasets.UNLABELLED
    names = [None if label == datasets.UNLABELLED else str(label) for label in labels]
    datasets.create(desk.artefacts, "partly", digits.images, names, 10**9)
    record = desk.evaluate(
        small.model_copy(
            update={
                "dataset": "partly",
                "pool_images": 200,
                "comparators": ["affine", "spread_pixels"],
                "spaces": ["image"],
            }
        )
    )
    assert record.status == "succeeded"
    result = desk.result(record)
    stored = datasets.load("partly", desk.artefacts, ())
    assert result["sizes"]["train"] == len(stored.labelled_train)
    assert result["sizes"]["pool"] == len(stored.train) - 40
    assert {row["arm"] for row in result["rows"]} == {
        "none",
        "affine",
        "interpolation",
        "spread",
        "spread+affine",
        "spread_pixels",
    }
    spread = next(row for row in result["new_labels"] if row["labeller"] == "spread")
    assert spread["added"] == 200
    assert spread["right"] > 70, "of those whose true label the data set has"
    assert {cell["accuracy"] > 60 for cell in result["cells"]} == {True}
