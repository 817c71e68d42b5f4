"""The text of UJIPEN's files read into pen strokes, both versions. Strict: what the formats do not allow is refused.

In both, x grows to the right and y downwards from the top left corner of the box that was written in. Version 2's
`uji2.names` says so; version 1 does not, but its 220 digits all stand in version 2 with the same numbers, as sessions
of UJI, so its unit is that of UJI too: 100 a millimetre.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentaug.datasets.strokes import Stroke
from latentaug.errors import MalformedInput

UNITS = {"UJI": 100.0, "UPV": 152.0}  # a millimetre; the tablets of the two sites were set up differently

_NUMBER = r"(-?[0-9]{1,6})"
_WORD = re.compile(r"WORD (\S) (?:trn|tst)_(UJI|UPV)_W[0-9]{2}-[0-9]{2}")
_NUMSTROKES = re.compile(r"NUMSTROKES ([1-9][0-9]?)")
_POINTS = re.compile(rf"POINTS ([1-9][0-9]{{0,4}}) #((?: {_NUMBER} {_NUMBER})+)")
_SEGMENT = re.compile(r'\.SEGMENT CHARACTER ([0-9]{1,6})(?:-([0-9]{1,6}))? \? "(\S)"')
_POINT = re.compile(rf"{_NUMBER} +{_NUMBER}")
_PEN_DOWN = re.compile(r"\.PEN_DOWN")
_PEN_UP = ".PEN_UP"
_COMMENTS = {1: (".COMMENT ", ".LEXICON ", ".HIERARCHY ", ".DT "), 2: ("//",)}


@dataclass(frozen=True)
class Character:
    """One written character.

    Attributes:
        label: the character, as Unicode has it.
        strokes: each float64 [points, 2], millimetres, y down; at least one.
    """

    label: str
    strokes: list[Stroke]


@dataclass(frozen=True)
class _Line:
    """A line that is no comment, and where it stands."""

    source: str
    number: int
    text: str

    def match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        """Match the whole line, or refuse it."""
        found = pattern.fullmatch(self.text)
        if found is None:
            raise self.refusal(f"expected {expected}")
        return found

    def refusal(self, what: str) -> MalformedInput:
        """The error that says what is wrong with this line."""
        return MalformedInput(
            f"{self.source}, line {self.number}: {what}, found {self.text[:60]!r}; take the original file"
        )


def read_version_1(data: bytes, source: str) -> list[Character]:
    """Read a writer's file of version 1, in UNIPEN's manner: `.SEGMENT` names the strokes of each character.

    Args:
        data: the file.
        source: its name, for messages.

    Raises:
        MalformedInput: not that format; the message names the line.
    """
    lines = _lines(data, source, _COMMENTS[1])
    characters = []
    for line in lines:
        first, last, label = line.match(_SEGMENT, '.SEGMENT CHARACTER <strokes> ? "<character>"').groups()
        count = int(last or first) - int(first) + 1
        if count < 1:
            raise line.refusal("expected strokes in rising order")
        characters.append(Character(label, [_pen_stroke(lines, source) for _ in range(count)]))
    return characters


def read_version_2(data: bytes, source: str) -> list[Character]:
    """Read version 2's file: `WORD`, `NUMSTROKES` and `POINTS` lines of all writers of both sites.

    Args:
        data: the file.
        source: its name, for messages.

    Raises:
        MalformedInput: not that format; the message names the line.
    """
    lines = _lines(data, source, _COMMENTS[2])
    characters = []
    for line in lines:
        label, site = line.match(_WORD, "WORD <character> <session>").groups()
        count = int(_next(lines, source).match(_NUMSTROKES, "NUMSTROKES <1 to 99>")[1])
        strokes = [_points(_next(lines, source)) / UNITS[site] for _ in range(count)]
        characters.append(Character(label, strokes))
    return characters


def _lines(data: bytes, source: str, comments: tuple[str, ...]) -> Iterator[_Line]:
    """The lines of UTF-8 text without blank ones and comments, stripped."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise MalformedInput(f"{source}, line {number}: not UTF-8; take the original file") from error
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith(comments):
            yield _Line(source, number, stripped)


def _next(lines: Iterator[_Line], source: str) -> _Line:
    line = next(lines, None)
    if line is None:
        raise MalformedInput(f"{source}, last line: the file ends within a character; take the original file")
    return line


def _pen_stroke(lines: Iterator[_Line], source: str) -> Stroke:
    """One stroke of version 1: what stands between `.PEN_DOWN` and `.PEN_UP`."""
    _next(lines, source).match(_PEN_DOWN, ".PEN_DOWN")
    points: list[tuple[int, int]] = []
    while (line := _next(lines, source)).text != _PEN_UP or not points:
        x, y = line.match(_POINT, "<x> <y>").groups()
        points.append((int(x), int(y)))
    return np.array(points, np.float64) / UNITS["UJI"]


def _points(line: _Line) -> Stroke:
    """One stroke of version 2, in its site's units."""
    found = line.match(_POINTS, "POINTS <number> # <x> <y> ...")
    points = np.array(found[2].split(), np.float64).reshape(-1, 2)
    if len(points) != int(found[1]):
        raise line.refusal(f"expected {found[1]} points, not {len(points)}")
    return points
