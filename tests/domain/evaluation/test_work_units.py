"""Units: the same cells whoever measures them, and nothing of the test part in them but accuracy."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from latentaug.evaluation import cnn
from latentaug.evaluation.design import Parts
from latentaug.evaluation.evaluate import conclude, evaluate
from latentaug.evaluation.report import to_markdown
from latentaug.evaluation.training_sets import Projection
from latentaug.evaluation.work_units import Cell, Setting, Unit, measure, units
from latentaug.options import COMPARATORS, SPACES, Design, TrainingOptions
from latentaug.vae.architectures import VAE
from latentaug.vae.networks import to_bytes
from latentaug.vae.training import fit

QUICK = Design(
    labelled=40, draws=2, classifiers=("knn",), spaces=("latent",), comparators=(), combine=False, tune=False
)


def quick(**change: Any) -> Design:
    return Design(**{**QUICK.model_dump(), **change})


def _without_seconds(cells: list[Cell]) -> list[Cell]:
    return [replace(cell, seconds=0) for cell in cells]


def test_units_in_any_order_each_with_a_setting_of_its_own_give_the_same_cells(parts: Parts, vae: VAE) -> None:
    design = quick(classifiers=("svm", "knn"), spaces=("image", "latent"), tune=True, methods=("noise",))
    cells: list[Cell] = []
    for unit in reversed(units(design, [8])):
        told = Unit(**json.loads(json.dumps(asdict(unit))))
        own = Projection.of(vae, parts.train_images, parts.test_images, "cpu")
        cells += measure(Setting.of(parts, {8: own}, design), told)
    spread = conclude(parts, [8], design, cells)
    whole = evaluate(parts, {8: vae}, design)
    assert _without_seconds(spread.cells) == _without_seconds(whole.cells)
    assert len({unit.name for unit in units(design, [8])}) == len(units(design, [8])) == 8


def test_a_unit_resumes_with_the_tuning_it_had(parts: Parts, vae: VAE) -> None:
    design = quick(tune=True)
    setting = Setting.of(parts, {8: Projection.of(vae, parts.train_images, parts.test_images, "cpu")}, design)
    first, *rest = measure(setting, units(design, [8])[0])
    moved = replace(first, options={"k": 1.0})
    resumed = list(measure(setting, units(design, [8])[0], [moved]))
    assert [cell.arm for cell in resumed] == [cell.arm for cell in rest]
    assert all(cell.options == {"k": 1.0} for cell in resumed)


def test_the_cnn_is_measured_on_pixels_alone_and_mixing_with_the_cnn_alone(
    parts: Parts, vae: VAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cnn, "STEPS", 2)
    design = quick(
        draws=1,
        classifiers=("knn", "cnn"),
        spaces=("image", "latent"),
        comparators=("affine", "mixup", "cutmix"),
        methods=("noise",),
        tune=True,
    )
    assert [unit.name for unit in units(design, [8])] == ["0-image-knn", "0-image-cnn", "0-latent-8-knn"]
    result = evaluate(parts, {8: vae}, design)
    arms = {name: {row.arm for row in result.of_classifier(name) if row.space == "image"} for name in ("knn", "cnn")}
    assert arms == {"knn": {"none", "affine", "noise"}, "cnn": {"none", "affine", "mixup", "cutmix", "noise"}}
    assert all(row.space == "image" for row in result.of_classifier("cnn"))
    assert {cell.options is None for cell in result.cells if cell.classifier == "cnn"} == {True}
    assert result.cnn_steps == 13  # ten passes over 40 images, 32 at a time
    page = to_markdown(result)
    assert "takes 13 steps" in page
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    assert sum("| mixes the CNN's batches alone |" in line for line in lines) == 2
    assert all(line.endswith("| is for pixels alone |") for line in lines if "(latents of 8 dimensions)" in line)


def test_batches_are_mixed_from_the_labelled_images_alone(parts: Parts, vae: VAE) -> None:
    design = quick(classifiers=("cnn",), spaces=("image",), comparators=("mixup", "cutmix"))
    setting = Setting.of(parts, {8: Projection.of(vae, parts.train_images, parts.test_images, "cpu")}, design)
    draw, (baseline, *mixed) = setting.draw(0), setting.arms(units(design, [8])[0])[:3]
    X, y = draw.samples(baseline, None)
    assert [arm.mixing for arm in mixed] == ["mixup", "cutmix"]
    for arm in mixed:
        samples, labels = draw.samples(arm, None)
        assert np.array_equal(samples, X)
        assert np.array_equal(labels, y)


@pytest.mark.slow
def test_marked_test_images_reach_nothing_but_accuracies(
    parts: Parts, vae: VAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test part is replaced by images that no other part has: white, but for one dark pixel, all of one label.

    Whatever they reached, VAE, latents, neighbours, sigma, SMOTE, new labels or tuning, would change a sample or an
    option.
    """
    monkeypatch.setattr(cnn, "STEPS", 2)
    marked = np.full_like(parts.test_images, 255)
    marked[:, 0, 0] = 1
    planted = replace(parts, test_images=marked, test_labels=np.zeros_like(parts.test_labels))
    design = QUICK.model_copy(
        update={
            "draws": 1,
            "tune": True,
            "classifiers": ("knn", "cnn"),
            "comparators": COMPARATORS,
            "combine": True,
            "spaces": SPACES,
            "pool_images": 100,
        }
    )
    evidence = []
    for given in (parts, planted):
        trained = fit(given.train_images, given.train_images[:50], 8, TrainingOptions(epochs=1, seed=3)).vae
        projection = Projection.of(vae, given.train_images, given.test_images, "cpu")
        setting = Setting.of(given, {8: projection}, design)
        samples = [
            setting.draw(0).samples(arm, None if arm.latent_dim is None else projection)
            for unit in units(design, [8])
            for arm in setting.arms(unit)
        ]
        cells = [cell for unit in units(design, [8]) for cell in measure(setting, unit)]
        assert len(cells) == len(samples) == 38 + 21
        evidence.append(
            (
                to_bytes(trained),
                projection.sigma.tobytes(),
                [(X.tobytes(), y.tobytes()) for X, y in samples],
                [replace(cell, seconds=0, accuracy=0) for cell in cells],
                [cell.accuracy for cell in cells],
            )
        )
    (*before, accuracies), (*after, others) = evidence
    assert before == after
    assert accuracies != others
