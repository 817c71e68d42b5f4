"""What `make paper` measures: the paper's tables by its own design, and the verdict on the same data sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.published import TABLE_1, TABLE_2, TABLE_3, Published

SEED = 0


def _models(dataset: str, latent_dims: tuple[int, ...], **params: Any) -> list[dict[str, Any]]:
    return [
        {"dataset": dataset, "name": f"{dataset}-z{dim}", "latent_dim": dim, "seed": SEED, **params}
        for dim in latent_dims
    ]


MNIST = _models("mnist", (10, 20, 50, 100), epochs=25)
UJIPEN_V1 = _models("ujipen-v1", (20, 50, 100))
UJIPEN_DIGITS = _models("ujipen-digits", (20,))


@dataclass(frozen=True)
class Study:
    """One evaluation.

    Attributes:
        name: the name of its files.
        title: what it is, in words.
        models: parameters of the train jobs of its VAEs, which studies share.
        params: parameters of the evaluate job, without its model.
        published: the paper's table to compare with.
        beside: studies to show in the same curves.
        report: whether it has a report of its own, and is not only a point of a curve.
        large: whether it takes most of an hour on a laptop, or hours; it is then measured only where it is named.
    """

    name: str
    title: str
    models: list[dict[str, Any]]
    params: dict[str, Any]
    published: dict[str, Published] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    report: bool = True
    large: bool = False


# The MLP takes three quarters of the time of all three, so it has a study of its own.
_FAST: dict[str, Any] = {"classifiers": ["svm", "knn"]}
_POINT: dict[str, Any] = {**_FAST, "comparators": ["duplication", "affine"], "combine": False}

STUDIES = {
    study.name: study
    for study in (
        Study(
            "table-2",
            "Table 2: MNIST with 1,000 labels, the paper's design",
            MNIST,
            {"protocol": "paper", "labelled": 1000},
            TABLE_2,
        ),
        Study("mnist-50", "MNIST with 50 labels", MNIST[1:2], {"labelled": 50, **_POINT}, report=False),
        Study("mnist-300", "MNIST with 300 labels", MNIST[1:2], {"labelled": 300, **_POINT}, report=False),
        Study(
            "mnist-100-k1",
            "MNIST with 100 labels, k = 1",
            MNIST[1:2],
            {"labelled": 100, "k": 1, **_POINT},
            report=False,
        ),
        Study(
            "mnist-100-k8",
            "MNIST with 100 labels, k = 8",
            MNIST[1:2],
            {"labelled": 100, "k": 8, **_POINT},
            report=False,
        ),
        Study(
            "mnist-100",
            "MNIST with 100 labels, 10 a class",
            MNIST[1:2],
            {"labelled": 100, **_FAST},
            beside=("mnist-100-k1", "mnist-100-k8"),
        ),
        Study(
            "mnist-1000",
            "MNIST with 1,000 labels",
            MNIST[1:2],
            {"labelled": 1000, **_FAST},
            beside=("mnist-50", "mnist-100", "mnist-300"),
        ),
        Study(
            "mnist-1000-mlp",
            "MNIST with 1,000 labels, the MLP",
            MNIST[1:2],
            {"labelled": 1000, "classifiers": ["mlp"], "methods": ["interpolation", "extrapolation"]},
        ),
        Study(
            "table-3",
            "Table 3: UJIPEN, the paper's design, on version 1 (62 classes instead of 97)",
            UJIPEN_V1,
            {"protocol": "paper", "draws": 3},
            TABLE_3,
        ),
        Study("ujipen-v1", "UJIPEN version 1, 5 labels a class", UJIPEN_V1[1:2], {"labelled": 310, **_FAST}),
        Study(
            "ujipen-digits",
            "The digits of UJIPEN version 2, 10 labels a class",
            UJIPEN_DIGITS,
            {"labelled": 100, **_FAST},
        ),
        Study(
            "table-1",
            "Table 1: MNIST with all 55,000 labels, the paper's design, kNN and MLP",
            MNIST,
            {"protocol": "paper", "draws": 1, "classifiers": ["knn", "mlp"]},
            TABLE_1,
            large=True,
        ),
        Study(
            "table-1-svm",
            "Table 1: MNIST with all 55,000 labels, the paper's design, SVM",
            MNIST,
            {"protocol": "paper", "draws": 1, "classifiers": ["svm"]},
            TABLE_1,
            large=True,
        ),
    )
}
"""The studies by name, in the order in which they are measured: first those that others are shown beside."""
