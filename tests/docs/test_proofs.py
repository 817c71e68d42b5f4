"""Every test that a page names as a proof is there, and every fault has its row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bench.chaos import faults
from bench.chaos.ledger import Ledger
from docs import reliability
from tests.docs.pages import ROOT

_PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def _tests(file: str) -> set[str]:
    found = ast.walk(ast.parse((ROOT / file).read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("page", "least"), [("SECURITY.md", 15), ("docs/reliability.md", 15), ("docs/scaling.md", 9)])
def test_the_tests_that_a_page_names_are_there(page: str, least: int) -> None:
    named = _PROOF.findall((ROOT / page).read_text())
    assert len(named) > least
    assert [f"{file}::{name}" for file, name in named if name not in _tests(file)] == []


def test_the_page_on_reliability_is_that_of_the_last_chaos_run() -> None:
    assert reliability.TARGET.read_text() == reliability.render(), "run `make docs`"


def test_every_fault_has_a_row() -> None:
    kinds = [*faults.of_processes(), *faults.of_disks(Path(), Path(), Ledger())]
    assert {kind.name for kind in kinds} == set(reliability.SEEN)
