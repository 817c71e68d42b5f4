"""`make paper`: what it asks for is what the service takes, and its tables say what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.comparison import beside_the_paper, best_of_any_kind, over_affine
from bench.published import METHODS, TABLE_2, Published
from bench.studies import STUDIES
from latentaug.datasets import digits
from latentaug.evaluation.design import Parts
from latentaug.evaluation.evaluate import evaluate
from latentaug.evaluation.phrases import describe
from latentaug.evaluation.result import Result
from latentaug.evaluation.verdict import most_accurate
from latentaug.options import Design, EvaluateParams, TrainingOptions, TrainParams
from latentaug.vae.training import fit

FEW = {"knn": Published(90.0, {8: (10.0, 99.9, 0.0)}), "svm": TABLE_2["svm"]}


@pytest.fixture(scope="module")
def result() -> Result:
    """Of kNN in image space on the bundled digits."""
    data = digits.load()
    assert data.labels is not None
    train, test = data.train[:300], data.test[:100]
    parts = Parts(data.images[train], data.labels[train], data.images[test], data.labels[test], data.classes)
    vae = fit(parts.train_images, data.images[data.validation], 8, TrainingOptions(epochs=2)).vae
    design = Design(labelled=60, draws=3, classifiers=("knn",), spaces=("image",), tune=False)
    return evaluate(parts, {8: vae}, design)


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_the_service_takes_every_studys_parameters(study: Any) -> None:
    names = [TrainParams.model_validate(params).name for params in study.models]
    params = {"dataset": study.models[0]["dataset"], "model": names, **study.params}
    assert EvaluateParams.model_validate(params).model == names
    assert all(STUDIES[name].models == study.models for name in study.beside), "curves are of one VAE"


def test_our_numbers_stand_beside_the_papers(result: Result) -> None:
    page = beside_the_paper(result, FEW)
    row = next(line for line in page.splitlines() if line.startswith("| kNN |"))
    by_arm = {row.arm: row for row in result.rows}
    for name, published in zip(("none", *METHODS), ("90.00", "10.00", "99.90", "0.00"), strict=True):
        assert f"{by_arm[name].accuracy:.2f} ± {by_arm[name].std:.2f} ({published})" in row
    assert "SVM" not in page, "what was not measured is not shown"
    assert "do not reach its best, 99.90 %" in page


def test_the_best_of_any_kind_may_be_no_vae_arm(result: Result) -> None:
    best = most_accurate(result.rows)
    assert describe(best) in best_of_any_kind(result, "knn")
    assert f"{best.accuracy:.2f} %" in best_of_any_kind(result, "knn")


def test_combined_arms_are_compared_with_the_same_and_with_as_many_affine_copies(result: Result) -> None:
    page = over_affine(result)
    accuracy = {
        name: np.array([cell.accuracy for cell in result.cells if cell.arm == name])
        for name in ("affine", "affine+affine", "affine+noise")
    }
    row = next(line for line in page.splitlines() if line.startswith("| affine copies + noise ("))
    for other in ("affine", "affine+affine"):
        assert f"{(accuracy['affine+noise'] - accuracy[other]).mean():+.2f} points" in row
    assert sum(line.startswith("| affine copies + ") for line in page.splitlines()) == 4
