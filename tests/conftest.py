"""What all tests need."""

import signal
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A shell ignores SIGINT on behalf of what it runs in the background. Tests that run so would hand that on to the
# processes that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARING = {"client", "docs", "web"}
"""Folders in which all files use one service, which takes many seconds to start and to prepare."""


class ByService(LoadScopeScheduling):
    """Lets one process run all tests of a file, and all files that share a service."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = Path(file).parts[1]
        return folder if folder in SHARING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByService:
    return ByService(config, log)
