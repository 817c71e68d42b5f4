"""Every file and module of the repository that README, CONTRIBUTING and docs name is there."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pkgutil import resolve_name

import pytest

from tests.docs.pages import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
_PATH = re.compile(
    r"(?<![\w./:-])(?:latentaug|service|worker|client|bench|examples|docs|tests|deploy|\.ci)/[\w./-]*\w", re.ASCII
)
_DOTTED = re.compile(
    r"(?<![\w./:-])(?:latentaug|latentaug_client|service|worker|bench|examples|docs)(?:\.[A-Za-z_]\w*)+", re.ASCII
)
_NO_MODULES = {"service.log", "latentaug.audit", "latentaug.job_id", "latentaug.request_id"}
"""A file, a logger, and attributes of traces."""
_LAYOUT_LINE = re.compile(r"( +)([\w./]+(?:  [\w./]+)*)(?: {2,}|$)")


@pytest.mark.parametrize("page", PAGES)
def test_a_path_on_a_page_is_in_the_repository(page: str) -> None:
    named = set(_PATH.findall((ROOT / page).read_text()))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_module_on_a_page_can_be_imported(page: str) -> None:
    named = set(_DOTTED.findall((ROOT / page).read_text())) - _NO_MODULES
    assert [name for name in sorted(named) if not _is_there(name)] == []


def test_the_rooms_that_contributing_lists_are_those_of_the_repository() -> None:
    layout = (ROOT / "CONTRIBUTING.md").read_text().partition("## The house")[2].partition("Arrows point down")[0]
    rooms = [_LAYOUT_LINE.match(line) for line in layout.splitlines() if line.strip()]
    listed: list[str] = []
    package = ""
    for room in rooms:
        assert room is not None
        indent, names = len(room[1]), room[2].split()
        package = names[0] if indent == 4 else package
        listed += [name if indent == 4 else package + name for name in names]
    assert len(listed) > 15
    assert [path for path in listed if not (ROOT / path).exists()] == []


def _is_there(name: str) -> bool:
    """Whether the dotted name is a module, or something in one."""
    try:
        if find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
