"""The pool: unlabelled images get labels and join the labelled ones, and no true label of theirs is ever seen."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from latentaug.augment.classical import affine
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation import draws as labelled
from latentaug.evaluation.design import Parts, Scope
from latentaug.evaluation.evaluate import evaluate
from latentaug.evaluation.new_labels import label_rows
from latentaug.evaluation.pool import LABELLERS, NewLabels, Pool
from latentaug.evaluation.report import to_markdown
from latentaug.evaluation.result import Result
from latentaug.evaluation.training_sets import Arm, Draw, Projection, as_floats, flat
from latentaug.evaluation.work_units import Cell, Setting, measure, units
from latentaug.options import POOL_COMPARATORS, SPACES, Design
from latentaug.vae.architectures import VAE

POOLED = Design(
    labelled=40,
    draws=2,
    classifiers=["knn"],
    spaces=["image"],
    methods=["noise"],
    comparators=["affine", *POOL_COMPARATORS],
    combine=False,
    tune=False,
    pool_images=300,
)
ARMS = {"spread", "spread+affine", *POOL_COMPARATORS}


def pooled(**change: Any) -> Design:
    return Design(**{**POOLED.model_dump(), **change})


@pytest.fixture(scope="module")
def projection(parts: Parts, vae: VAE) -> Projection:
    return Projection.of(vae, parts.training.images, parts.test_images, "cpu")


@pytest.fixture(scope="module")
def result(parts: Parts, vae: VAE) -> Result:
    return evaluate(parts, {8: vae}, POOLED)


def in_part(parts: Parts) -> Parts:
    """A data set that is labelled in part: of the training images every third has its label."""
    some = np.arange(0, len(parts.train_labels), 3)
    others = np.setdiff1d(np.arange(len(parts.train_labels)), some)
    return replace(
        parts,
        train_images=parts.train_images[some],
        train_labels=parts.train_labels[some],
        unlabelled_images=parts.train_images[others],
    )


def of_draw(parts: Parts, design: Design, projection: Projection, number: int = 0) -> Draw:
    return Setting.of(parts, {8: projection}, design).draw(number)


def test_arms_of_the_pool_are_measured_only_where_they_are_asked_for(parts: Parts, result: Result) -> None:
    assert {row.arm for row in result.rows} == {"none", "affine", "noise", *ARMS}
    plain = Scope.of(parts, pooled(pool_images=0, comparators=["affine"]))
    assert {arm.name for arm in plain.arms([8])} == {"none", "affine", "noise"}
    with pytest.raises(ValidationError, match="set pool_images to 1 or more"):
        pooled(pool_images=0)


def test_the_pool_is_every_training_image_that_a_draw_has_no_label_of(parts: Parts, projection: Projection) -> None:
    draw = of_draw(parts, POOLED, projection)
    assert draw.pool is not None
    assert np.array_equal(np.flatnonzero(draw.pool.labels != UNLABELLED), draw.rows)
    assert np.array_equal(draw.pool.labels[draw.rows], draw.labels)
    assert np.array_equal(draw.pool.training.images, parts.train_images)


@pytest.mark.parametrize("labeller", LABELLERS)
def test_each_way_of_labelling_takes_as_many_images_of_the_pool_as_it_is_told(
    labeller: str, parts: Parts, projection: Projection
) -> None:
    draw = of_draw(parts, POOLED, projection)
    found = draw.newly_labelled(Arm("image", 8, labeller), projection)
    assert found is not None
    assert len(found.rows) == 300
    assert not set(found.rows) & set(draw.rows)
    assert (found.labels[found.rows] >= 0).all()
    assert np.array_equal(found.labels[draw.rows], draw.labels)
    right = (found.labels[found.rows] == parts.train_labels[found.rows]).mean()
    assert right > 0.8
    again = of_draw(parts, POOLED, projection).newly_labelled(Arm("latent", 8, labeller), projection)
    assert again is not None
    assert np.array_equal(again.labels, found.labels)
    assert np.array_equal(again.rows, found.rows)


@pytest.mark.parametrize("space", SPACES)
def test_arms_of_the_pool_are_real_images_and_then_one_affine_copy_of_each(
    space: str, parts: Parts, projection: Projection
) -> None:
    draw = of_draw(parts, POOLED, projection)
    X, y = draw.samples(Arm(space, 8, "spread"), projection)
    found = draw.newly_labelled(Arm(space, 8, "spread"), projection)
    assert found is not None
    rows = np.concatenate([draw.rows, found.rows])
    everything = flat(as_floats(parts.train_images)) if space == "image" else projection.train
    assert np.array_equal(X, everything[rows])
    assert np.array_equal(y, np.concatenate([draw.labels, found.labels[found.rows]]))
    both, labels = draw.samples(Arm(space, 8, "spread+affine"), projection)
    copies = affine(as_floats(parts.train_images[rows]), 1, draw.seed)
    assert np.array_equal(both[: len(X)], X)
    assert np.allclose(both[len(X) :], flat(copies) if space == "image" else projection.codec.encode(copies), atol=1e-5)
    assert np.array_equal(labels, np.concatenate([y, y]))


def test_true_labels_of_the_pool_are_never_seen(
    parts: Parts, projection: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are mixed up among the pool, so that whatever saw them would change a sample, an option or an accuracy."""
    setting = Setting.of(parts, {8: projection}, pooled(draws=1, tune=True, classifiers=["svm", "knn"]))
    rows = setting.draw(0).rows
    pool = np.setdiff1d(np.arange(len(parts.train_labels)), rows)
    poisoned = parts.train_labels.copy()
    poisoned[pool] = np.random.default_rng(0).permutation(poisoned[pool])
    assert (poisoned != parts.train_labels).mean() > 0.5
    monkeypatch.setattr(labelled, "draw", lambda *_: rows)  # a draw knows the labels, as it takes some of each class
    evidence = []
    for labels in (parts.train_labels, poisoned):
        given = Setting.of(replace(parts, train_labels=labels), {8: projection}, setting.scope.design)
        samples = [given.draw(0).samples(arm, projection) for arm in given.scope.arms([8])]
        cells = [cell for unit in units(given.scope.design, [8]) for cell in measure(given, unit)]
        told = [replace(cell, seconds=0, new_labels=None) for cell in cells]
        evidence.append(([(X.tobytes(), y.tobytes()) for X, y in samples], told, label_rows(cells)))
    (clean, told_clean, shares), (dirty, told_dirty, poisoned_shares) = evidence
    assert clean == dirty
    assert told_clean == told_dirty
    assert all(row.right is not None and row.right > 80 for row in shares)
    assert all(row.right is not None and row.right < 30 for row in poisoned_shares), "only the report knows true labels"


def test_a_pool_holds_no_label_but_the_draws(parts: Parts, projection: Projection) -> None:
    pool = of_draw(parts, POOLED, projection).pool
    assert pool is not None
    arrays = [value for value in {**asdict(pool), **vars(pool.training)}.values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in arrays if array.ndim == 1] == [(len(parts.train_labels),)]
    assert (pool.labels != UNLABELLED).sum() == 40


def test_partly_labelled_data_add_their_unlabelled_images_to_the_pool(parts: Parts, vae: VAE) -> None:
    some = in_part(parts)
    projection = Projection.of(vae, some.training.images, some.test_images, "cpu")
    assert projection.train.shape == (len(parts.train_labels), 8)
    draw = of_draw(some, POOLED, projection)
    assert draw.pool is not None
    assert len(draw.pool.labels) == len(parts.train_labels)
    assert draw.rows.max() < len(some.train_labels)
    found = draw.newly_labelled(Arm("image", 8, "spread"), projection)
    assert found is not None
    assert (found.rows >= len(some.train_labels)).sum() > 100
    result = evaluate(some, {8: vae}, pooled(labelled=None, draws=1))
    assert result.sizes.pool == len(parts.train_labels) - len(some.train_labels)
    assert result.sizes.all_labelled
    assert any("labelled images of the training part are in every draw" in warning for warning in result.warnings)
    spread = result.new_labels[-1]
    assert (spread.labeller, spread.right, spread.covered) == ("spread", None, None)
    assert spread.expected is not None
    assert "not known" in to_markdown(result)


def test_with_every_image_labelled_there_is_no_pool_and_that_is_said(parts: Parts, vae: VAE) -> None:
    few = replace(parts, train_images=parts.train_images[:200], train_labels=parts.train_labels[:200])
    result = evaluate(few, {8: vae}, pooled(labelled=None, draws=1))
    assert {row.arm for row in result.rows} == {"none", "affine", "noise"}
    assert result.warnings[0].startswith("Left out: all that takes images of the pool.")
    assert result.new_labels == []


def test_planted_test_images_change_no_new_label(parts: Parts, vae: VAE) -> None:
    marked = np.full_like(parts.test_images, 255)
    marked[:, 0, 0] = 1
    planted = replace(parts, test_images=marked, test_labels=np.zeros_like(parts.test_labels))
    evidence = []
    for given in (parts, planted):
        projection = Projection.of(vae, given.training.images, given.test_images, "cpu")
        assert not (given.training.images[:, 0, 0] == 1).any()
        draw = of_draw(given, POOLED, projection)
        found = [draw.newly_labelled(Arm("image", 8, labeller), projection) for labeller in LABELLERS]
        evidence.append([(each.labels.tobytes(), each.rows.tobytes(), each.expected) for each in found if each])
    assert evidence[0] == evidence[1]
    assert len(evidence[0]) == 3


def test_each_kind_of_real_images_is_tuned_by_itself_and_copies_are_not(parts: Parts, vae: VAE) -> None:
    design = pooled(draws=1, labelled=20, tune=True, classifiers=["svm"], comparators=["affine", "spread_pixels"])
    cells = {cell.arm: cell for cell in evaluate(parts, {8: vae}, design).cells}
    assert cells["none"].options == cells["affine"].options == cells["noise"].options
    assert cells["spread"].options == cells["spread+affine"].options
    assert cells["spread"].options != cells["none"].options, "C grows with the images here"


def test_a_unit_resumes_with_the_tuning_of_each_kind(parts: Parts, projection: Projection) -> None:
    design = pooled(draws=1, tune=True)
    setting = Setting.of(parts, {8: projection}, design)
    cells = list(measure(setting, units(design, [8])[0]))
    kept = [replace(cell, options={"k": 1.0}) for cell in cells if cell.arm in ("none", "spread")]
    resumed = {cell.arm: cell.options for cell in measure(setting, units(design, [8])[0], kept)}
    tuned = {cell.arm: cell.options for cell in cells}
    assert resumed == {name: tuned[name] for name in resumed} | {
        "affine": {"k": 1.0},
        "noise": {"k": 1.0},
        "spread+affine": {"k": 1.0},
    }


def test_cells_survive_json(result: Result) -> None:
    cells = TypeAdapter(list[Cell])
    assert cells.validate_json(json.dumps([asdict(cell) for cell in result.cells])) == result.cells
    read = Result.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert read == result
    assert read.new_labels == result.new_labels


def test_the_report_says_how_right_new_labels_are_and_what_was_expected(result: Result) -> None:
    rows = {row.labeller: row for row in result.new_labels}
    assert set(rows) == set(LABELLERS)
    spread = rows["spread"]
    assert spread.draws == 2
    assert spread.covered == 2
    assert spread.low is not None
    assert spread.expected is not None
    assert spread.high is not None
    assert spread.low < spread.expected < spread.high
    assert rows["spread_pixels"].expected is None
    page = to_markdown(result)
    assert "## Are the new labels right?" in page
    assert "| label spreading, 8 dimensions" in page
    assert "| self-training | 300 |" in page
    assert "says nothing" in page
    told = result.to_json()["new_labels"]
    assert [row["labeller"] for row in told] == ["spread_pixels", "self_training", "spread"]


def test_arms_of_the_pool_are_corrected_together_with_all_others(result: Result) -> None:
    compared = [row for row in result.rows if row.gain]
    assert len(compared) == 6
    assert all(row.p_holm is not None and row.gain and row.p_holm >= (row.gain.p or 0) for row in compared)
    assert result.verdicts["knn"].compared == 6
    over = {row.arm: row.gain_over_affine for row in compared}
    affine_copies = next(row for row in compared if row.arm == "affine")
    spread = next(row for row in compared if row.arm == "spread+affine")
    assert over["affine"] is None
    assert over["spread+affine"] is not None
    assert over["spread+affine"].mean == pytest.approx(spread.accuracy - affine_copies.accuracy)


def test_self_training_of_two_classes_has_labels_of_both(parts: Parts, projection: Projection) -> None:
    two = np.flatnonzero(parts.train_labels < 2)
    labels = np.full(len(two), UNLABELLED)
    for label in (0, 1):
        labels[np.flatnonzero(parts.train_labels[two] == label)[:2]] = label
    training = replace(parts, train_images=parts.train_images[two]).training
    found: NewLabels = Pool(training, labels, 2, 50, 0).label("self_training", None)
    assert len(found.rows) == 50
    assert (found.labels[found.rows] == parts.train_labels[two][found.rows]).mean() > 0.95
