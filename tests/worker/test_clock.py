"""A clock that goes wrong makes nothing old; the clock is a stand-in, which is told the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from latentaug.runtime.jobs import Attempts
from latentaug.runtime.jobs.calendar import SOON
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.reconciler import SWEEP_EVERY, tend

LOOK = SOON
DAYS = {"job_retention_days": 2.0, "upload_retention_days": 2.0}
WEEKS = timedelta(weeks=3)


class Tending:
    """Has old things looked for at a time that it is told."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore, settings: Settings) -> None:
        self.now = datetime.now(UTC)
        self._tend = lambda: tend(redis, artefacts, settings, SWEEP_EVERY, self.now)

    def look(self, went_on: timedelta = LOOK) -> None:
        self.now += went_on
        self._tend()

    def looks(self, during: timedelta) -> None:
        for _ in range(math.ceil(during / LOOK)):
            self.look()


@pytest.fixture
def tending(redis: Redis, artefacts: ArtefactStore, settings: Settings) -> Tending:
    return Tending(redis, artefacts, settings.model_copy(update=DAYS))


@pytest.fixture
def kept(jobs: Attempts, artefacts: ArtefactStore) -> Callable[[], tuple[bool, bool]]:
    """Tells whether an ended job is there, and half an upload, whose description is still to be written."""
    job = jobs.cancel(jobs.create("train", {"dataset": "digits"})[0].id).id
    artefacts.put("datasets/mine/v1/arrays.safetensors", b"...")
    return lambda: (
        artefacts.exists(f"jobs/{job}/record.json"),
        artefacts.exists("datasets/mine/v1/arrays.safetensors"),
    )


@pytest.fixture(autouse=True)
def by_a_clock_that_is_right(tending: Tending) -> None:
    tending.look(timedelta(0))


def test_what_is_old_goes_when_time_has_gone_by(tending: Tending, kept: Callable[[], tuple[bool, bool]]) -> None:
    tending.looks(timedelta(minutes=50))
    assert kept() == (True, True)
    tending.looks(timedelta(minutes=20))
    assert kept() == (True, False)
    tending.looks(timedelta(days=2))
    assert kept() == (False, False)


def test_a_clock_set_forward_by_weeks_deletes_nothing_for_most_of_a_day(
    tending: Tending, kept: Callable[[], tuple[bool, bool]]
) -> None:
    tending.look(WEEKS)
    tending.looks(timedelta(hours=20))
    assert kept() == (True, True)
    tending.looks(timedelta(hours=1, minutes=10))
    assert kept() == (False, False), "nobody has set it back, so that it must be right"


def test_a_clock_that_is_set_right_again_has_deleted_nothing(
    tending: Tending, kept: Callable[[], tuple[bool, bool]]
) -> None:
    tending.look(WEEKS)
    tending.looks(timedelta(hours=1))
    tending.look(-WEEKS)
    tending.looks(timedelta(minutes=20))
    assert kept() == (True, True)


def test_after_a_night_in_which_nobody_looked_what_is_old_goes_within_the_hour(
    tending: Tending, kept: Callable[[], tuple[bool, bool]]
) -> None:
    tending.look(timedelta(hours=12))
    assert kept() == (True, True)
    tending.looks(timedelta(minutes=35))
    assert kept() == (True, False)
