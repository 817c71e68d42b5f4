"""Every code block of README and docs runs, or says why not and stands in a list here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.conftest import Followed
from tests.docs.pages import PAGES, ROOT, Reader, blocks

RUN = {"bash", "python", "javascript"}
NOT_CODE = {"json", "math", "text"}
"""JSON is parsed; equations are rendered by the site's build; text is what a command prints."""

ELSEWHERE = {
    "make demo": "minutes long; examples/running.py, which it starts the service with, starts it here too",
    "make test": "this is it",
    "make run": "runs `python -m service.stack`, which is what these pages are run against",
    "latentaug recommend photos": "tests/client/test_cli.py finds a folder's best training set",
    "latentaug augment photos": "tests/client/test_cli.py augments a folder",
    "latentaug models": "tests/client/test_commands.py lists models",
    "docker compose up": "needs a container engine; tests/system/test_compose.py runs the services as processes",
    "docker compose -f": "the same, with a GPU; `make check` holds both files against compose's schema",
    "helm install": "needs a cluster; tests/deploy runs the pods of a release as processes",
    "METRICS_KEY_FILE=": "the same; tests/system/test_operations.py reads what it mounts",
    "make bench-serving": "tests/system/test_bench.py runs its parts",
    "make bench-training": "tests/system/test_bench.py runs its parts",
    "make bench-page": "tests/web/test_views.py moves the same slider",
    "make fuzz": "tests/fuzz runs its parts for seconds",
    "make chaos": "tests/faults breaks the service with the same parts",
}
"""Commands in indented blocks, by what they begin with, and what runs them or why nothing does."""

NOT_RUN: dict[str, set[str]] = {
    "docs/kubernetes.md": {"needs a cluster; tests/deploy runs the pods of a release as processes"}
}
"""Reasons given on each page for blocks that cannot run here."""

WITH_BLOCKS = [
    page
    for page in PAGES
    if page != "README.md" and any(block.language in RUN and block.not_run is None for block in blocks(page))
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_the_page_works_as_pasted(page: str, readme: Followed, tmp_path: Path) -> None:
    Reader(readme.service.url, tmp_path).read(page)


@pytest.mark.parametrize(
    "block",
    [
        "```bash\ncurl -s http://127.0.0.1:8000/v1/models/nowhere\n```",
        "```bash\nfalse | true\n```",
        "```python\nassert False\n```",
        "```json\n{\n```",
    ],
)
def test_a_block_that_fails_fails_its_page(block: str, readme: Followed, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{block}\n")

    with pytest.raises((AssertionError, ValueError)):
        Reader(readme.service.url, tmp_path).read(str(page))


def test_a_block_is_left_out_for_the_reason_above_it(readme: Followed, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: it fails -->\n\n```bash\nfalse\n```\n")

    Reader(readme.service.url, tmp_path).read(str(page))

    assert [block.not_run for block in blocks(str(page))] == ["it fails"]


def test_every_fence_names_a_language_that_is_run_or_is_no_code() -> None:
    named = {(page, block.line, block.language) for page in PAGES for block in blocks(page) if block.language}

    assert [each for each in sorted(named) if each[2] not in RUN | NOT_CODE] == []


def test_every_indented_command_is_run_elsewhere() -> None:
    commands = [
        (block.page, line)
        for page in PAGES
        for block in blocks(page)
        if not block.language
        for line in block.code.splitlines()
        if line.strip()
    ]

    assert [each for each in commands if not each[1].startswith(tuple(ELSEWHERE))] == []
    assert [start for start in ELSEWHERE if not any(line.startswith(start) for _, line in commands)] == []


def test_make_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {start.split()[1] for start in ELSEWHERE if start.startswith("make ")}

    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_blocks_that_are_not_run_are_those_listed_here() -> None:
    given: dict[str, set[str]] = {}
    for page in PAGES:
        for block in blocks(page):
            if block.not_run is not None:
                given.setdefault(page, set()).add(block.not_run)

    assert given == NOT_RUN
