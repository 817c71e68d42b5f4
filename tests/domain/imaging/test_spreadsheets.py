"""Tables that no spreadsheet runs, and that give back every text as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug.imaging.spreadsheets import cell, text_of


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "@SUM(1)", "+1+cmd", "-2+3", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_run_becomes_a_text(formula: str) -> None:
    assert cell(formula) == f"'{formula}"


@pytest.mark.parametrize("plain", ["", "7", "-1", "+0.5", "cat", "o'clock", "'tis", "a=b", "x@y"])
def test_all_else_stays_as_it_is(plain: str) -> None:
    assert cell(plain) == plain


@given(st.text(alphabet="'=@+-\t\r1.ab", max_size=8))
def test_every_text_is_read_as_it_was_written(text: str) -> None:
    assert text_of(cell(text)) == text
