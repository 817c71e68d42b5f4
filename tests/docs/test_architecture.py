"""The drawing of the imports is of the code as it is now."""

from __future__ import annotations

from docs import architecture


def test_the_drawing_is_fresh() -> None:
    assert architecture.TARGET.read_text() == architecture.render(), "run `make docs`"


def test_each_row_needs_only_rows_below_it() -> None:
    needs = {"api": {"oip", "errors"}, "oip": {"errors"}, "errors": set[str](), "ports": set[str]()}

    assert architecture.rows(needs) == [["api"], ["oip"], ["errors", "ports"]]
