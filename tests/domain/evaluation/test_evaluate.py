"""An evaluation: pairing, leaks, resumption and the result."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from latentaug.errors import InvalidInput, TooFewImages
from latentaug.evaluation import draws as labelled
from latentaug.evaluation.design import Parts
from latentaug.evaluation.evaluate import conclude, evaluate
from latentaug.evaluation.report import to_markdown
from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import holm
from latentaug.evaluation.work_units import Cell, Unit, unpack
from latentaug.options import METHODS, PRESETS, Design
from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.networks import to_bytes

QUICK = Design(
    labelled=40, draws=2, classifiers=("knn",), spaces=("latent",), comparators=(), combine=False, tune=False
)


def quick(**change: Any) -> Design:
    return Design(**{**QUICK.model_dump(), **change})


def _without_seconds(cells: list[Cell]) -> list[Cell]:
    return [replace(cell, seconds=0) for cell in cells]


def test_every_arm_is_measured_in_every_draw_by_every_classifier(evaluation: Result) -> None:
    image_arms, latent_arms = 6 + 7 * 2, 6 + 7
    assert len(evaluation.cells) == 3 * (image_arms + latent_arms) * 2
    assert len({(cell.unit, cell.setup) for cell in evaluation.cells}) == len(evaluation.cells)
    assert all(cell.accuracy > 40 for cell in evaluation.cells)
    assert evaluation.warnings == []


def test_all_arms_of_a_draw_use_the_options_tuned_without_new_samples(evaluation: Result) -> None:
    for draw in range(3):
        for space in ("image", "latent"):
            options = [
                cell.options
                for cell in evaluation.cells
                if (cell.draw, cell.space, cell.classifier) == (draw, space, "svm")
            ]
            assert options[0] is not None
            assert all(chosen == options[0] for chosen in options)


def test_it_repeats_itself_and_follows_the_seed(parts: Parts, vae: VAE) -> None:
    first, second, third = (evaluate(parts, {8: vae}, quick(seed=seed)).cells for seed in (1, 1, 2))
    assert _without_seconds(first) == _without_seconds(second)
    assert _without_seconds(first) != _without_seconds(third)


def test_it_resumes_after_any_cell_with_the_same_result(parts: Parts, vae: VAE) -> None:
    seen: list[Cell] = []

    def stop_at_five(done: int, total: int, cell: Cell) -> None:
        seen.append(cell)
        assert (done, total) == (len(seen), 8)
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(parts, {8: vae}, QUICK, on_cell=stop_at_five)
    counts: list[tuple[int, int]] = []
    resumed = evaluate(
        parts, {8: vae}, QUICK, done=seen, on_cell=lambda done, total, cell: counts.append((done, total))
    )
    assert counts == [(6, 8), (7, 8), (8, 8)]
    assert _without_seconds(resumed.cells) == _without_seconds(evaluate(parts, {8: vae}, QUICK).cells)


def test_a_failed_unit_is_reported_and_arms_are_compared_over_the_draws_they_share(parts: Parts, vae: VAE) -> None:
    design = quick(classifiers=("svm", "knn"), draws=3)
    cells = evaluate(parts, {8: vae}, design).cells
    lost = Unit(1, "latent", 8, "knn")
    kept = [cell for cell in cells if cell.unit != lost or cell.arm == "none"]
    result = conclude(parts, [8], design, kept, failures={lost: "The worker died twice."}).to_json()
    assert result["warnings"] == ["1-latent-8-knn was not measured to its end: The worker died twice."]
    drawn = {(row["classifier"], row["gain"]["draws"]) for row in result["rows"] if row["gain"]}
    assert drawn == {("svm", 3), ("knn", 2)}
    noise = next(row for row in result["rows"] if (row["classifier"], row["arm"]) == ("knn", "noise"))
    by_draw = {(cell.draw, cell.arm): cell.accuracy for cell in cells if cell.classifier == "knn"}
    gains = [by_draw[draw, "noise"] - by_draw[draw, "none"] for draw in (0, 2)]
    assert noise["gain"]["mean"] == pytest.approx(np.mean(gains))


def test_cells_of_another_design_are_not_taken_over(parts: Parts, vae: VAE) -> None:
    stray = Cell(7, "latent", 8, "none", None, "knn", 1.0, 0.0)
    assert stray not in evaluate(parts, {8: vae}, QUICK, done=[stray]).cells


def test_test_images_are_classified_one_by_one(parts: Parts, vae: VAE) -> None:
    once, twice = (
        evaluate(replace(parts, test_images=images, test_labels=labels), {8: vae}, quick(draws=1)).cells
        for images, labels in (
            (parts.test_images[:100], parts.test_labels[:100]),
            (np.tile(parts.test_images[:100], (2, 1, 1, 1)), np.tile(parts.test_labels[:100], 2)),
        )
    )
    assert [cell.accuracy for cell in once] == [cell.accuracy for cell in twice]


def test_images_outside_the_draw_are_no_ones_neighbours(parts: Parts, vae: VAE) -> None:
    design = quick(draws=1, methods=("interpolation", "extrapolation"))
    sizes = labelled.share(np.bincount(parts.train_labels), 40)
    rows = labelled.draw(parts.train_labels, sizes, int(np.random.SeedSequence([0, 0]).generate_state(3)[0]))
    images = np.zeros_like(parts.train_images)
    images[rows] = parts.train_images[rows]
    alone = evaluate(replace(parts, train_images=images), {8: vae}, design)
    assert _without_seconds(alone.cells) == _without_seconds(evaluate(parts, {8: vae}, design).cells)


def test_the_vae_is_left_as_it_was(parts: Parts, vae: VAE) -> None:
    before = to_bytes(vae)
    evaluate(parts, {8: vae}, QUICK)
    assert to_bytes(vae) == before


def test_random_labels_cannot_be_told_to_be_helped(parts: Parts, vae: VAE) -> None:
    rng = np.random.default_rng(0)
    noise = replace(
        parts, train_labels=rng.permutation(parts.train_labels), test_labels=rng.permutation(parts.test_labels)
    )
    result = evaluate(noise, {8: vae}, quick(draws=8, labelled=100)).to_json()
    assert all(abs(row["accuracy"] - 10) < 5 for row in result["rows"])
    assert result["best"]["knn"]["verdict"] == "cannot tell"


def test_the_mlp_takes_part(parts: Parts, vae: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentaug.evaluation.classifiers.GRIDS", {"mlp": [{"share": 0.015}]})
    design = quick(draws=1, classifiers=("mlp",), methods=("noise",), tune=True)
    assert [cell.options for cell in evaluate(parts, {8: vae}, design).cells] == [{"share": 0.015}] * 2


def test_a_small_class_lowers_k_in_every_arm_and_says_so(parts: Parts, vae: VAE) -> None:
    evaluation = evaluate(parts, {8: vae}, quick(labelled=20))
    assert evaluation.sizes.children == 1
    assert "k was lowered from 3 to 1" in evaluation.warnings[0]


def test_a_class_of_one_leaves_noise_alone_and_says_so(parts: Parts, vae: VAE) -> None:
    few = quick(labelled=10, comparators=("affine", "smote"), combine=True)
    evaluation = evaluate(parts, {8: vae}, few)
    arms = {"none", "affine", "affine+affine", "noise", "affine+noise"}
    assert {cell.arm for cell in evaluation.cells} == arms
    assert "Left out: interpolation, extrapolation, smote" in evaluation.warnings[0]
    only = evaluate(parts, {8: vae}, quick(labelled=10, methods=("interpolation",))).to_json()
    assert only["best"] == {}
    assert "Not measured" in only["verdicts"]["knn"]


def test_all_images_labelled_or_one_draw_is_warned_of(parts: Parts, vae: VAE) -> None:
    few = replace(parts, train_images=parts.train_images[:200], train_labels=parts.train_labels[:200])
    evaluation = evaluate(few, {8: vae}, quick(labelled=None, draws=1, methods=("noise",)))
    assert evaluation.sizes.labelled == 200
    (warning,) = evaluation.warnings
    assert "every draw has the same" in warning
    (warning,) = evaluate(parts, {8: vae}, quick(draws=1, methods=("noise",))).warnings
    assert "single draw" in warning
    assert evaluation.to_json()["best"]["knn"]["verdict"] == "cannot tell"


def test_few_test_images_are_warned_of(parts: Parts, vae: VAE) -> None:
    few = replace(parts, test_images=parts.test_images[:20], test_labels=parts.test_labels[:20])
    (warning,) = evaluate(few, {8: vae}, quick(methods=("noise",))).warnings
    assert "only 20 test images" in warning
    assert "worth 5 points" in warning


def test_labels_that_only_the_test_part_has_count_as_errors(parts: Parts, vae: VAE) -> None:
    known = parts.train_labels != 3
    some = replace(parts, train_images=parts.train_images[known], train_labels=parts.train_labels[known])
    evaluation = evaluate(some, {8: vae}, QUICK)
    assert evaluation.sizes.classes == 9
    assert max(cell.accuracy for cell in evaluation.cells) <= 100 * (parts.test_labels != 3).mean()


def test_what_cannot_be_evaluated_is_refused(parts: Parts, vae: VAE) -> None:
    with pytest.raises(TooFewImages):
        evaluate(parts, {8: vae}, quick(labelled=9))
    with pytest.raises(TooFewImages):
        evaluate(parts, {8: vae}, quick(labelled=10**6))
    with pytest.raises(TooFewImages):
        evaluate(replace(parts, test_images=parts.test_images[:0], test_labels=parts.test_labels[:0]), {8: vae}, QUICK)
    with pytest.raises(InvalidInput, match="two classes"):
        evaluate(replace(parts, train_labels=np.zeros_like(parts.train_labels)), {8: vae}, QUICK)
    with pytest.raises(InvalidInput, match="no VAE"):
        evaluate(parts, {}, QUICK)
    torch.manual_seed(0)
    with pytest.raises(InvalidInput, match="not of this data set"):
        evaluate(parts, {8: VAE(Architecture(9, 8, 1, 8))}, QUICK)


@pytest.mark.parametrize(
    "change",
    [
        {"methods": ("rotation",)},
        {"methods": ("noise", "noise")},
        {"classifiers": ()},
        {"spaces": ("pixels",)},
        {"decode": ()},
        {"comparators": ("mixup",)},
        {"draws": 0},
        {"k": 0},
        {"seed": -1},
        {"alpha": float("nan")},
        {"alpha": 2.0},
    ],
)
def test_a_design_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Design(**change)


def test_the_result_has_a_row_for_each_arm_and_its_gains(result: dict[str, Any]) -> None:
    assert len(result["rows"]) == 2 * 33
    for row in result["rows"]:
        own = [cell["accuracy"] for cell in result["cells"] if all(cell[key] == row[key] for key in _IDENTITY)]
        assert row["accuracy"] == pytest.approx(np.mean(own))
        baseline = next(
            other
            for other in result["rows"]
            if (other["classifier"], other["space"], other["arm"]) == (row["classifier"], row["space"], "none")
        )
        if row["arm"] == "none":
            assert row["gain"] is None
            continue
        assert row["gain"]["mean"] == pytest.approx(row["accuracy"] - baseline["accuracy"])
        assert (row["gain_over_affine"] is None) == (set(row["arm"].split("+")) == {"affine"})
        if row["gain_over_affine"]:
            control = "+".join(["affine"] * len(row["arm"].split("+")))
            theirs = next(
                other["accuracy"]
                for other in result["rows"]
                if (other["classifier"], other["space"], other["arm"]) == (row["classifier"], row["space"], control)
            )
            assert row["gain_over_affine"]["mean"] == pytest.approx(row["accuracy"] - theirs)


_IDENTITY = ("classifier", "space", "latent_dim", "arm", "decode")


def test_verdicts_follow_from_holms_correction_over_the_arms_of_a_classifier(result: dict[str, Any]) -> None:
    for classifier in ("svm", "knn"):
        rows = [row for row in result["rows"] if row["classifier"] == classifier and row["gain"]]
        assert [row["p_holm"] for row in rows] == holm([row["gain"]["p"] for row in rows])
        for row in rows:
            assert row["p_holm"] >= row["gain"]["p"]
            assert (row["verdict"] == "cannot tell") == (row["p_holm"] >= 0.05)
            if row["gain"]["low"] is None:
                assert row["verdict"] == "cannot tell", "draws without spread tell nothing"
                continue
            plain = row["gain"]["mean"] - row["gain"]["low"]
            if row["smallest_detectable"] is None:  # so large a gain is not left to reach
                continue
            assert row["smallest_detectable"] >= plain
            if abs(row["gain"]["mean"]) > row["smallest_detectable"]:
                assert row["verdict"] != "cannot tell"


def test_with_all_images_labelled_test_images_tell_what_equal_draws_cannot(parts: Parts, vae: VAE) -> None:
    few = replace(parts, train_images=parts.train_images[:120], train_labels=parts.train_labels[:120])
    design = quick(labelled=None, draws=2, spaces=("image",))
    evaluation = evaluate(few, {8: vae}, design)
    for cell in evaluation.cells:
        assert cell.right is not None
        right = unpack(cell.right)
        assert len(right) == len(parts.test_labels)
        assert 100 * right.mean() == pytest.approx(cell.accuracy)
    result = evaluation.to_json()
    gains = [row["gain"] for row in result["rows"] if row["gain"]]
    assert gains
    assert {gain["over"] for gain in gains} == {"test images"}
    assert any(gain["low"] is not None for gain in gains)
    assert any("over the test images" in warning for warning in result["warnings"])
    assert "sign-flip test over the test images" in to_markdown(evaluation)


def test_with_some_images_labelled_the_draws_tell(parts: Parts, vae: VAE) -> None:
    evaluation = evaluate(parts, {8: vae}, QUICK)
    assert {cell.right for cell in evaluation.cells} == {None}
    assert {row["gain"]["over"] for row in evaluation.to_json()["rows"] if row["gain"]} == {"draws"}


def test_the_best_arm_is_a_vae_arm_and_says_among_how_many(result: dict[str, Any]) -> None:
    for classifier, best in result["best"].items():
        rows = [row for row in result["rows"] if row["classifier"] == classifier]
        ours = [row for row in rows if row["latent_dim"] and row["arm"].split("+")[-1] in METHODS]
        assert best["accuracy"] == max(row["accuracy"] for row in ours)
        assert any({**best, **row} == best for row in ours)
        assert best["compared"] == len(rows) - 2 == 31
        assert best["chosen_after_the_fact"] is True


def test_the_papers_design_has_its_arms_and_its_settings_alone(parts: Parts, vae: VAE) -> None:
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in PRESETS["paper"].items()}
    cells = evaluate(parts, {8: vae}, Design(labelled=40, draws=1, classifiers=("svm", "knn"), **given)).cells
    assert {(cell.space, cell.arm, cell.decode) for cell in cells} == {
        ("image", "none", None),
        *(("image", method, "reconstruction") for method in METHODS),
    }
    assert all(cell.options is None for cell in cells)


def test_the_result_says_how_it_came_about(result: dict[str, Any]) -> None:
    sizes = {"train": 1079, "test": 270, "classes": 10, "labelled": 60, "children": 3}
    assert result["sizes"] == {**sizes, "pool": 1019, "newly_labelled": 0}
    assert result["transductive"] is False
    assert result["protocol"]["decode"] == ["reconstruction", "residual"]
    assert set(result["verdicts"]) == set(result["advice"]) == {"svm", "knn"}
    for name, advice in result["advice"].items():
        assert result["verdicts"][name] == f"{advice['words']} {advice['numbers']}"
        assert advice["arm"]["classifier"] == name
    assert set(result["versions"]) == {"python", "torch", "sklearn", "svm", "numpy"}
    assert Cell(**result["cells"][0]).draw == 0


def test_a_result_is_read_as_it_was_written(evaluation: Result, result: dict[str, Any]) -> None:
    read = Result.from_json(result)
    assert read == evaluation
    assert read.verdicts == evaluation.verdicts
    assert read.to_json() == evaluation.to_json()
