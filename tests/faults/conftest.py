"""One service for all faults, used all the time by callers who know what is right.

The seed of a run is printed; `FAULTS_SEED` repeats it, as far as processes can be made to repeat anything.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bench.chaos import disks
from bench.chaos.faults import Fault
from bench.chaos.ledger import Ledger
from bench.chaos.stack import Stack
from bench.chaos.stage import Stage
from bench.chaos.work import WORK, Work

SEED = int(os.environ.setdefault("FAULTS_SEED", str(time.time_ns() % 10**6)))  # other processes of this run inherit it
OWN = {"test_confined.py", "test_object_store.py", "test_resume.py"}
"""The tests that start services of their own; all others break one that they share."""
SECONDS = 900
"""For a test and for a service that shows what is right first, on a machine that has more to do."""
SETTINGS = {"LEASE_SECONDS": "5", "MAX_ATTEMPTS": "1000"}


def pytest_report_header() -> str:
    return f"faults: FAULTS_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.timeout(SECONDS))
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has"))


class ByService(LoadScopeScheduling):
    """Gives all tests that break one service to one process, so that no other starts it, too."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if Path(file).name in OWN else "shared"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByService:
    return ByService(config, log)


@pytest.fixture(scope="session")
def rng() -> random.Random:
    return random.Random(SEED)  # noqa: S311 (no secret depends on it)


class Ground:
    """Where the service lives, and what it is used with."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        self.stage, self.rng = stage, rng

    def check(self, fault: Fault) -> None:
        """Break the service in one way at a random moment: it heals by itself, and nothing is lost or wrong."""
        time.sleep(self.rng.uniform(0, 2))
        suffered = self.stage.suffer(fault, self.rng)
        assert suffered is not None, "there was nothing to break"
        print(f"{fault.name}: {suffered}")
        self.stage.ledger.check()
        assert suffered.seconds is not None


class OnDisks(Ground):
    """Where home and store are on disks of their own, if this process may mount any."""

    def __init__(self, stage: Stage, rng: random.Random, home: Path, store: Path, why_no_disks: str | None) -> None:
        super().__init__(stage, rng)
        self.home, self.store = home, store
        self._why_no_disks = why_no_disks

    def needs_disks(self) -> None:
        """Skip the test where this process may not mount disks."""
        if self._why_no_disks is not None:
            pytest.skip(f"needs disks of its own: {self._why_no_disks}")


@contextmanager
def staged(folder: Path, home: Path, store: str, works: Sequence[Work] = WORK) -> Iterator[Stage]:
    """A service that has shown what is right; in the end nothing that it has accepted may be lost.

    Args:
        folder: where its log is written.
        home: its home.
        store: the URL of its store.
        works: the jobs that callers have done.
    """
    settings: dict[str, Any] = SETTINGS | {"STORE_URL": store}
    with Stack(home, folder / "service.log", settings) as service:
        stage = Stage(service, store, Ledger(), SEED, works)
        with closing(stage):
            yield stage
            stage.audit()
            stage.ledger.check()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, rng: random.Random) -> Iterator[OnDisks]:
    folder, why = tmp_path_factory.mktemp("faults"), None
    home, store = folder / "home", folder / "store"
    with ExitStack() as stack:
        try:
            stack.enter_context(disks.disk(home))
            stack.enter_context(disks.disk(store))
        except (PermissionError, FileNotFoundError) as error:
            why = str(error)
            home.mkdir(exist_ok=True)
        stage = stack.enter_context(staged(folder, home, store.as_uri()))
        yield OnDisks(stage, rng, home, store, why)


@pytest.fixture
def callers(ground: Ground) -> Iterator[None]:
    """Callers who use the service for as long as the test lasts."""
    with ground.stage.used():
        yield
