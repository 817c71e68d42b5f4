"""Markdown and CSV."""

import csv
from dataclasses import replace

from latentaug.evaluation.report import COLUMNS, to_csv, to_markdown
from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import Gain


def test_the_csv_has_a_line_for_each_row(evaluation: Result) -> None:
    lines = list(csv.DictReader(to_csv(evaluation).splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == len(evaluation.rows)
    for line, row in zip(lines, evaluation.rows, strict=True):
        assert line["arm"] == row.arm
        assert float(line["accuracy"]) == round(row.accuracy, 4)
        low = row.gain and row.gain.low
        assert line["gain_low"] == ("" if low is None else str(round(low, 4)))
        assert line["p_holm"] == ("" if row.p_holm is None else str(float(f"{row.p_holm:.4g}")))


def test_the_markdown_begins_with_what_to_do(evaluation: Result) -> None:
    page = to_markdown(evaluation)
    svm, knn = (evaluation.verdicts[name].text for name in ("svm", "knn"))
    assert page.index(f"- **SVM**: {svm}") < page.index(f"- **kNN**: {knn}") < page.index("| training set |")
    assert "3 draws of 60 labelled images out of 1079" in page
    assert "Holm's correction over all of the classifier's training sets" in page
    assert len(page) < 8000


def test_the_table_names_every_training_set_in_words(evaluation: Result) -> None:
    page = to_markdown(evaluation)
    assert page.count("\n| no new images (") == 2
    assert page.count("\n| ") == 1 + 33
    assert "\n| affine copies x3 (pixels) | " in page
    assert "\n| affine copies + interpolation (latents of 8 dimensions) | " in page
    assert "\n| noise (pixels, 8 dimensions, residual) | " in page
    table = page[page.index("| training set |") : page.index("## How")]
    assert not any(name in table for name in ("none (", "affine+", "smote", "latent_dim"))


def test_a_warning_is_shown_and_its_class_names_are_inert(evaluation: Result) -> None:
    page = to_markdown(replace(evaluation, warnings=["of class '<script>' there is one"]))
    assert "> **Note:** of class '&lt;script&gt;' there is one" in page


def test_a_single_draw_is_reported_without_an_interval(evaluation: Result) -> None:
    gain = Gain(1.0, None, None, 1, None)
    row = replace(evaluation.rows[1], gain=gain, std=None, p_holm=None, verdict="cannot tell", smallest_detectable=None)
    single = replace(evaluation, rows=[evaluation.rows[0], row])
    assert "+1.00 points (one draw, no interval)" in to_markdown(single)
    assert list(csv.DictReader(to_csv(single).splitlines()))[1]["gain_low"] == ""
