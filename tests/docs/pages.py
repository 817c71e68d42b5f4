"""The code blocks of README and docs: found by a Markdown parser, run as a reader would, in the order of the page.

Bash blocks of a page share a folder, Python blocks also their names; a JavaScript block is a module of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
ADDRESS = "http://127.0.0.1:8000"
BLOCK_SECONDS = 240
_NOT_RUN = "<!-- not run:"


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: path of the page from the repository's root.
        line: of the block's first line of code, from 1.
        language: as its fence says; "" for an indented block.
        code: what stands in it.
        not_run: why it is not run, from a comment `<!-- not run: why -->` just above it; None where it is.
    """

    page: str
    line: int
    language: str
    code: str
    not_run: str | None


def blocks(page: str) -> list[Block]:
    """All fenced and indented code blocks of a page."""
    found, comment = [], ""
    for token in MarkdownIt().parse((ROOT / page).read_text()):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            line = token.map[0] + (2 if token.type == "fence" else 1)
            found.append(Block(page, line, token.info.partition(" ")[0], token.content, _reason(comment)))
        comment = token.content.strip() if token.type == "html_block" else ""
    return found


def _reason(comment: str) -> str | None:
    return comment.removeprefix(_NOT_RUN).removesuffix("-->").strip() if comment.startswith(_NOT_RUN) else None


class Reader:
    """Somebody who pastes a page's blocks one after the other, in a folder with the project's examples."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / ".curlrc").write_text("fail-with-body\n")  # an error of the API fails the block
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "CURL_HOME": str(folder)}
        self._environment["LATENTAUG_HOME"] = str(folder / "home")

    def read(self, page: str) -> None:
        """Run all blocks of a page that can be run here; the first that fails fails the test.

        Where there is no node, JavaScript blocks are left out and the test is skipped after all others have run.
        """
        node = shutil.which("node")
        left_out = []
        for block in blocks(page):
            if block.not_run is not None:
                continue
            code = block.code.replace(ADDRESS, self._url)
            if block.language == "bash":
                self._run(["bash", "-euo", "pipefail", "-c", code], block)
            elif block.language == "python":
                self._python(code, block)
            elif block.language == "javascript":
                if node is None:
                    left_out.append(block.line)
                else:
                    self._run([node, "--input-type=module", "--eval", code], block)
            elif block.language == "json":
                json.loads(code)
        if left_out:
            pytest.skip(f"no node to run the JavaScript blocks of {page}, lines {left_out}")

    def _run(self, command: list[str], block: Block) -> None:
        ran = subprocess.run(
            command, cwd=self._folder, env=self._environment, timeout=BLOCK_SECONDS, capture_output=True, check=False
        )
        said = (ran.stdout[-2000:] + ran.stderr[-2000:]).decode(errors="replace")
        assert ran.returncode == 0, f"{block.page}:{block.line} ended with {ran.returncode}:\n{said}"

    def _python(self, code: str, block: Block) -> None:
        lines = "\n" * (block.line - 1)  # a traceback then names the page's own line
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self._folder)
            exec(compile(lines + code, block.page, "exec"), self._names)  # noqa: S102 (our own docs)
