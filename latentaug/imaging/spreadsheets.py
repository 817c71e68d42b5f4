"""Texts in tables that people open in a spreadsheet, which would take some of them for formulas and run these.

Such a text gets an apostrophe in front, as OWASP advises ("CSV Injection"), and a spreadsheet shows it as a text. A
program that reads the table takes one apostrophe off what begins so, and has every text as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_FORMULA = re.compile(r"'*(?:[=@\t\r]|[+-](?![\d.]+$))")
"""How a formula begins, or one that has its apostrophes already. A number may begin with its sign."""


def cell(text: str) -> str:
    """A text as a table holds it."""
    return f"'{text}" if _FORMULA.match(text) else text


def cells(row: Mapping[str, object]) -> dict[str, object]:
    """A row of a table, its texts as the table holds them."""
    return {name: cell(value) if isinstance(value, str) else value for name, value in row.items()}


def text_of(cell: str) -> str:
    """What `cell` was made of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
