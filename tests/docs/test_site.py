"""The site builds without a warning, opens without a net, and links to nothing that is not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"[^>]*>""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.glob("**/*.html"))
    loaded = {one or other for page in pages for one, other in LOADED.findall(page.read_text())}

    assert len(pages) > 10
    assert {address for address in loaded if re.match(r"(https?:)?//", address)} == set()


def test_no_stylesheet_loads_anything_from_elsewhere(site: Path) -> None:
    styles = [style.read_text() for style in site.glob("**/*.css")]

    assert styles
    assert [address for style in styles for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)]*)", style)] == []


def test_equations_are_drawn_by_the_browser_itself(site: Path) -> None:
    page = (site / "how-it-works.html").read_text()

    assert page.count("<math ") == 6
    assert "\\mathbf" not in page


def test_no_code_of_the_docs_is_published(site: Path) -> None:
    assert list(site.glob("**/*.py")) == []
