"""What all tests need."""

import signal
from pathlib import Path

import pytest

# A shell ignores SIGINT on behalf of what it runs in the background. Tests that run so would hand that on to the
# processes that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
SHARING = {"client", "docs", "web"}
"""Folders in which all files use one service, which takes many seconds to start and to prepare."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run all tests of a file, and all files that share a service."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            parts = item.path.relative_to(HERE).with_suffix("").parts
            item.add_marker(pytest.mark.xdist_group(parts[0] if parts[0] in SHARING else ".".join(parts)))
