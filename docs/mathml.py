"""Equations of the site: ```math fences in LaTeX become MathML, which browsers show themselves, without a script."""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert

_NUMBER = re.compile(r"\\tag\{(\d+)\}")


def fence(source: str, language: str, css_class: str, options: dict[str, Any], md: Any, **kwargs: Any) -> str:
    r"""Format one fence for pymdownx.superfences, with the number of its `\tag{...}` beside it."""
    number = _NUMBER.search(source)
    equation = convert(_NUMBER.sub("", source).strip(), display="block")
    beside = f'<span class="number">({number[1]})</span>' if number else ""
    return f'<div class="{css_class}">{equation}{beside}</div>'
