"""A small VAE of the digits and one evaluation with it, made once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentaug.datasets import digits
from latentaug.evaluation.design import Parts
from latentaug.evaluation.evaluate import evaluate
from latentaug.evaluation.result import Result
from latentaug.options import Design, TrainingOptions
from latentaug.vae.architectures import VAE
from latentaug.vae.training import fit

AT_REST = Path(__file__).parents[2] / "docs/results"
EARLIER = ("mnist-100", "mnist-1000", "mnist-1000-mlp", "table-1", "table-2", "table-3", "ujipen-digits", "ujipen-v1")
"""Results of earlier versions."""


def earlier(name: str) -> Result:
    """A result of an earlier version, as it is read now."""
    return Result.from_json(json.loads((AT_REST / f"{name}.json").read_text()))


@pytest.fixture(scope="session")
def parts() -> Parts:
    """The digits with half of their test part, for speed."""
    data = digits.load()
    labels, test = np.asarray(data.labels), data.test[::2]
    return Parts(data.images[data.train], labels[data.train], data.images[test], labels[test], data.classes)


@pytest.fixture(scope="session")
def vae(parts: Parts) -> VAE:
    options = TrainingOptions(epochs=10, batch_size=32, beta=0.1)
    return fit(parts.train_images, parts.test_images[:1], 8, options).vae


@pytest.fixture(scope="session")
def evaluation(parts: Parts, vae: VAE) -> Result:
    """Three draws, both spaces and decodes, two fast classifiers."""
    design = Design(labelled=60, draws=3, classifiers=("svm", "knn"), decode=("reconstruction", "residual"))
    return evaluate(parts, {8: vae}, design)


@pytest.fixture(scope="session")
def result(evaluation: Result) -> dict[str, Any]:
    """The evaluation as callers see it, once through JSON."""
    parsed: dict[str, Any] = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    return parsed
