"""Markdown and CSV."""

import csv
from typing import Any

from latentaug.evaluation.report import COLUMNS, to_csv, to_markdown


def test_the_csv_has_a_line_for_each_row(result: dict[str, Any]) -> None:
    lines = list(csv.DictReader(to_csv(result).splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == len(result["rows"])
    for line, row in zip(lines, result["rows"], strict=True):
        assert line["arm"] == row["arm"]
        assert float(line["accuracy"]) == round(row["accuracy"], 4)
        low = row["gain"] and row["gain"]["low"]
        assert line["gain_low"] == ("" if low is None else str(round(low, 4)))
        assert line["p_holm"] == ("" if row["gain"] is None else str(float(f"{row['p_holm']:.4g}")))


def test_the_markdown_begins_with_the_verdicts_in_words(result: dict[str, Any]) -> None:
    page = to_markdown(result)
    assert (
        page.index(result["verdicts"]["svm"]) < page.index(result["verdicts"]["knn"]) < page.index("| training set |")
    )
    assert page.count("\n| none (") == 2
    assert page.count("\n| ") == 1 + 33
    assert "3 draws of 60 labelled images out of 1079" in page
    assert "Holm's correction over all of the classifier's arms" in page
    assert len(page) < 8000


def test_a_warning_is_shown_and_its_class_names_are_inert(result: dict[str, Any]) -> None:
    page = to_markdown({**result, "warnings": ["of class '<script>' there is one"]})
    assert "> **Note:** of class '&lt;script&gt;' there is one" in page


def test_a_single_draw_is_reported_without_an_interval(result: dict[str, Any]) -> None:
    gain = {"mean": 1.0, "low": None, "high": None, "draws": 1, "p": None}
    row = {**result["rows"][1], "gain": gain, "std": None, "p_holm": None, "verdict": "cannot tell"}
    single = {**result, "rows": [row]}
    assert "+1.00 points (one draw, no interval)" in to_markdown(single)
    assert next(csv.DictReader(to_csv(single).splitlines()))["gain_low"] == ""
