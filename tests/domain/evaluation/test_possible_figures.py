"""No figure of a report is one that cannot be: no accuracy outside 0 to 100 %, no gain beyond what is left to gain."""

from __future__ import annotations

import csv
import re

from hypothesis import given
from hypothesis import strategies as st

from latentaug.evaluation.phrases import points
from latentaug.evaluation.recommended import Recommendation, to_markdown
from latentaug.evaluation.report import to_csv
from latentaug.evaluation.result import Result, Sizes
from latentaug.evaluation.statistics import within_reach
from latentaug.evaluation.summary import rows
from latentaug.evaluation.trials import Tried
from latentaug.evaluation.work_units import Cell
from latentaug.options import Design, Recipe

ARMS = ("none", "affine", "interpolation", "affine+interpolation")
ACCURACY = st.integers(0, 40).map(lambda right: 2.5 * right)
DRAWS = st.lists(st.tuples(*[ACCURACY] * len(ARMS)), min_size=1, max_size=4)


def result(draws: list[tuple[float, ...]]) -> Result:
    """An evaluation of kNN on pixels with these accuracies of its arms, draw by draw."""
    cells = [
        Cell(
            number,
            "image",
            8 if "polation" in arm else None,
            arm,
            "residual" if "polation" in arm else None,
            "knn",
            accuracy,
            0.1,
        )
        for number, accuracies in enumerate(draws)
        for arm, accuracy in zip(ARMS, accuracies, strict=True)
    ]
    sizes = Sizes(train=100, test=40, classes=2, labelled=10, children=3)
    return Result(Design(draws=len(draws), labelled=10), sizes, rows(cells), cells, [], 100, "cpu", {})


@given(DRAWS)
def test_every_interval_ends_where_accuracy_does(draws: list[tuple[float, ...]]) -> None:
    for row in result(draws).rows:
        for gain in (row.gain, row.gain_over_affine):
            if gain is None or gain.low is None or gain.high is None:
                continue
            before = row.accuracy - gain.mean
            assert -1e-9 <= before + gain.low <= row.accuracy + 1e-9
            assert row.accuracy - 1e-9 <= before + gain.high <= 100 + 1e-9
        if row.smallest_detectable is not None:
            assert 0 < row.smallest_detectable <= 100 - row.before


@given(DRAWS)
def test_no_sentence_names_a_gain_of_more_than_100_points(draws: list[tuple[float, ...]]) -> None:
    found = result(draws)
    told = " ".join(verdict.text for verdict in found.verdicts.values()) + to_csv(found)
    assert all(float(number) <= 100 for number in re.findall(r"([0-9.]+[0-9]) (?:points|%)", told))
    assert not re.findall(r"-[0-9.]+ %", told)
    for line in csv.DictReader(to_csv(found).splitlines()):
        assert all(-100 <= float(line[name] or 0) <= 100 for name in ("gain_low", "gain_high", "smallest_detectable"))


def test_two_draws_that_could_tell_nothing_say_so_and_what_to_do() -> None:
    words = result([(60.0, 65.0, 62.5, 60.0), (70.0, 70.0, 82.5, 75.0)]).verdicts["knn"].words
    assert words.endswith("; with 2 draws no gain could have been told from chance. Try more draws.")


def test_the_table_shows_an_interval_only_as_far_as_it_can_reach() -> None:
    row = result([(60.0, 65.0, 62.5, 60.0), (70.0, 70.0, 82.5, 75.0)]).rows[2]
    assert row.gain is not None
    assert points(row.gain) == "+7.50 points (-56.03 to +35.00)"
    assert within_reach(row.gain, row.accuracy) == row.gain


def test_a_gain_over_a_single_image_is_told_without_an_error_that_is_no_number() -> None:
    tried = {"all": [Tried(Recipe(), 1, {"knn": 50.0}, 2.5, float("inf"), 4)]}
    plain = result([(60.0, 65.0, 62.5, 60.0)])
    page = to_markdown(Recommendation(plain.design, plain.sizes, [], [], [], 100, "cpu", {}, tried=tried))
    assert "| +2.5 |" in page
    assert "inf" not in page
