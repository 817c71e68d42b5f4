"""`make bench-grid`: how long the grid of Table 2 takes for one draw, and how it compares with stock scikit-learn.

First the whole grid (4 VAEs, 3 methods, 3 classifiers) is measured as a job over HTTP, with a core for each process.
Then its SVM and kNN cells are measured one after the other in one thread: our classifiers and scikit-learn's own take
turns on the same samples. The VAEs are those of `make paper`, and are trained first if they have not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from bench import machine
from bench.paper import HOME, JOB_TIMEOUT, RESULTS, service_settings, trained
from bench.studies import MNIST, SEED
from examples.running import running_service
from latentaug import datasets
from latentaug.evaluation import classifiers
from latentaug.evaluation.design import Parts
from latentaug.evaluation.phrases import TITLES
from latentaug.evaluation.training_sets import Projection, as_floats, flat
from latentaug.evaluation.work_units import Setting, units
from latentaug.options import EvaluateParams
from latentaug.runtime.settings import available_cores, load
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import read_vae
from worker.grid import design_of

EVALUATE = {
    "dataset": "mnist",
    "model": [params["name"] for params in MNIST],
    "protocol": "paper",
    "labelled": 1000,
    "draws": 1,
    "seed": SEED,
}
GOAL_SECONDS = 20 * 60
STOCK: dict[str, Callable[[], Any]] = {
    "svm": SVC,  # C = 1, gamma "scale", as the paper's setting is here
    "knn": lambda: KNeighborsClassifier(3),
}


@dataclass
class Timing:
    """Seconds that a classifier takes over the grid, ours and scikit-learn's, and how often their predictions agree."""

    ours: float = 0.0
    stock: float = 0.0
    cells: int = 0
    agreement: float = 0.0


def main() -> None:
    """Measure both and write docs/results/grid.md."""
    with running_service(HOME, **service_settings()) as service:
        for params in MNIST:
            trained(service, params)
        started = time.monotonic()
        service.job("evaluate", EVALUATE, JOB_TIMEOUT)
        seconds = time.monotonic() - started
    with threadpool_limits(1):
        timings = _against_stock()
    page = _page(seconds, timings)
    (RESULTS / "grid.md").write_text(page)
    print(page)


def _against_stock() -> dict[str, Timing]:
    """Fit and predict every SVM and kNN cell of the draw with our classifiers and with scikit-learn's."""
    setting = _setting()
    classes = len(setting.parts.classes)
    draw, X_test = setting.draw(0), flat(as_floats(setting.parts.test_images))
    timings = {name: Timing() for name in STOCK}
    for unit in units(setting.scope.design, list(setting.projections)):
        for arm in setting.arms(unit):
            X, y = draw.samples(arm, None if arm.latent_dim is None else setting.projections[arm.latent_dim])
            timing = timings[unit.classifier]
            contenders = [classifiers.make(unit.classifier, classes, SEED), STOCK[unit.classifier]()]
            predicted, took = zip(*(_fit_predict(each, X, y, X_test) for each in contenders), strict=True)
            timing.ours += took[0]
            timing.stock += took[1]
            timing.agreement += float((predicted[0] == predicted[1]).mean())
            timing.cells += 1
            print(
                f"  {unit.classifier} {arm.name} {arm.latent_dim}: {took[0]:.1f} s, stock {took[1]:.1f} s", flush=True
            )
    return timings


def _setting() -> Setting:
    """MNIST and the VAEs that `make paper` keeps, and the part of the grid that scikit-learn can do."""
    store = ArtefactStore((HOME.absolute() / "store").as_uri())
    data = datasets.load("mnist", store, load(home=HOME).dataset_folders)
    assert data.labels is not None
    parts = Parts(
        data.images[data.train], data.labels[data.train], data.images[data.test], data.labels[data.test], data.classes
    )
    projections = {}
    for params in MNIST:
        model = models.describe(store, params["name"])
        projections[model.latent_dim] = Projection.of(
            read_vae(store, model), parts.train_images, parts.test_images, "cpu"
        )
    asked = EvaluateParams.model_validate({**EVALUATE, "classifiers": list(STOCK)})
    return Setting.of(parts, projections, design_of(asked))


def _fit_predict(classifier: Any, X: Any, y: Any, X_test: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    classifier.fit(X, y)
    return classifier.predict(X_test), time.perf_counter() - started


def _page(seconds: float, timings: dict[str, Timing]) -> str:
    lines = [
        "<!-- written by `make bench-grid`; do not edit -->",
        "# The grid of Table 2 for one draw",
        "",
        f"The whole grid (VAEs trained; 4 Z, 3 methods and the baseline, SVM, kNN and MLP) took {seconds:.0f} s in "
        f"{available_cores()} processes of one thread each (goal: under {GOAL_SECONDS} s).",
        "",
        "Its SVM and kNN cells, fit and 10,000 predictions, one thread, ours and stock scikit-learn by turns:",
        "",
        "| classifier | cells | ours, s | scikit-learn, s | ratio | equal predictions |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {TITLES[name]} | {t.cells} | {t.ours:.1f} | {t.stock:.1f} | {t.stock / t.ours:.1f} | "
        f"{100 * t.agreement / t.cells:.2f} % |"
        for name, t in timings.items()
    ]
    ours, stock = sum(t.ours for t in timings.values()), sum(t.stock for t in timings.values())
    lines += [
        f"| both | {sum(t.cells for t in timings.values())} | {ours:.1f} | {stock:.1f} | {stock / ours:.1f} | |",
        "",
        "The MLP is our own on PyTorch: scikit-learn's has neither batch normalisation nor dropout. Ties in a vote of "
        "neighbours may fall to another label.",
        "",
        f"On {machine.describe()}, load {machine.load():.1f} at the end.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
