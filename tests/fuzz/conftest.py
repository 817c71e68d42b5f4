"""Counts what was tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.mutation import CASES, little_memory


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    with little_memory():
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CASES:
        terminalreporter.section("cases that were tried")
        for name, count in sorted(CASES.items()):
            terminalreporter.write_line(f"{count:8,} {name}")
        terminalreporter.write_line(f"{CASES.total():8,} in all")
