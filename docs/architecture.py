"""`make docs`: draws docs/images/imports.svg from the imports of the code; a test keeps it fresh.

Every root package that import-linter watches is a box. In it the modules and packages stand in rows, such that each
imports only what stands in rows below it; arrows say which box imports which.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from grimp import ImportGraph, build_graph

ROOT = Path(__file__).parents[1]
TARGET = Path(__file__).parent / "images" / "imports.svg"

WIDTH = 1000  # pixels, as are all lengths
MARGIN, GAP, ROW, LETTER = 16, 48, 30, 7.0
TITLE = 34
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1a1a2e}.title{font-weight:700;font-size:14px}"
    ".box{fill:#f6f7fb;stroke:#9aa3bd}.module{fill:#fff;stroke:#c9cfe0}.package{fill:#e3e7fb;stroke:#7a86c4}"
    ".arrow{stroke:#5a648c;stroke-width:1.5;fill:none;marker-end:url(#tip)}"
)

Rows = list[list[str]]
Needs = Mapping[str, set[str]]


@dataclass(frozen=True)
class Box:
    """A root package in the picture: its name, its rows, and its left, top, width and height in pixels."""

    name: str
    rows: Rows
    left: int
    top: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        """Where the middle of its width is, in pixels."""
        return self.left + self.width // 2


def roots() -> list[str]:
    """Return the packages whose imports `make check` watches."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names: list[str] = project["tool"]["importlinter"]["root_packages"]
    return names


def rows(needs: Needs) -> Rows:
    """Put names into rows, top first: each needs only names in rows below its own.

    Args:
        needs: what each name needs directly, without circles.
    """

    @cache
    def height(name: str) -> int:
        return 1 + max((height(needed) for needed in needs[name]), default=-1)

    levels: dict[int, list[str]] = {}
    for name in sorted(needs):
        levels.setdefault(height(name), []).append(name)
    return [levels[level] for level in sorted(levels, reverse=True)]


def siblings(graph: ImportGraph, root: str) -> Needs:
    """Find what each module or package directly in a root package imports of the others."""
    children = sorted(graph.find_children(root))
    return {
        child: {other for other in children if other != child and _imports(graph, child, other)} for child in children
    }


def between(graph: ImportGraph, names: list[str]) -> Needs:
    """Find what each root package imports of the others."""
    return {name: {other for other in names if other != name and _imports(graph, name, other)} for name in names}


def _imports(graph: ImportGraph, importer: str, imported: str) -> bool:
    return graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)


def render() -> str:
    """Return the picture, as SVG."""
    names = roots()
    graph = build_graph(*names)
    needs = between(graph, names)
    boxes = _boxes(graph, rows(needs))
    bottom = max(box.top + box.height for box in boxes.values()) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom}" role="img">',
        f"<title>{escape(_in_words(needs))}</title><style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#5a648c"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{bottom}" fill="#fff"/>',
        *(_draw(box, graph) for box in boxes.values()),
        *(_arrow(boxes[name], boxes[needed]) for name in sorted(needs) for needed in sorted(needs[name])),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _in_words(needs: Needs) -> str:
    return "; ".join(
        f"{name} imports {' and '.join(sorted(needs[name])) or 'none of the others'}" for name in sorted(needs)
    )


def _boxes(graph: ImportGraph, layers: Rows) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    top = MARGIN
    for layer in layers:
        width = (WIDTH - MARGIN * (len(layer) + 1)) // len(layer)
        for i, name in enumerate(layer):
            lines = [line for row in rows(siblings(graph, name)) for line in _wrapped(row, width)]
            height = TITLE + ROW * len(lines) + MARGIN // 2
            boxes[name] = Box(name, lines, MARGIN + i * (width + MARGIN), top, width, height)
        top += max(boxes[name].height for name in layer) + GAP
    return boxes


def _wrapped(names: list[str], width: int) -> Rows:
    lines: Rows = [[]]
    for name in names:
        if sum(_width(other) for other in [*lines[-1], name]) > width - 2 * MARGIN and lines[-1]:
            lines.append([])
        lines[-1].append(name)
    return lines


def _width(name: str) -> int:
    """The width of a module's own box, with the space after it."""
    return round(len(_short(name)) * LETTER) + 24


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _draw(box: Box, graph: ImportGraph) -> str:
    parts = [
        f'<rect class="box" x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}" rx="6"/>',
        f'<text class="title" x="{box.left + MARGIN}" y="{box.top + 22}">{escape(box.name)}</text>',
    ]
    for i, line in enumerate(box.rows):
        left, top = box.left + MARGIN, box.top + TITLE + i * ROW
        for name in line:
            kind = "package" if graph.find_children(name) else "module"
            width = _width(name) - 8
            parts.append(f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{ROW - 8}" rx="4"/>')
            parts.append(f'<text x="{left + 8}" y="{top + 15}">{escape(_short(name))}</text>')
            left += _width(name)
    return "\n".join(parts)


def _arrow(start: Box, end: Box) -> str:
    return f'<path class="arrow" d="M{start.middle} {start.top + start.height}L{end.middle} {end.top - 2}"/>'


if __name__ == "__main__":
    TARGET.write_text(render())
