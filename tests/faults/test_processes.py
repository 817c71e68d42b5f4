"""Whatever process dies or stands still under load, at a random moment: nothing is lost and nothing is wrong."""

from __future__ import annotations

import pytest

from bench.chaos import faults
from bench.chaos.faults import Fault
from bench.chaos.parts import Part
from tests.faults.conftest import Ground

pytestmark = pytest.mark.usefixtures("callers")

STILL_AT_WORK = (1.0, 8.0)
"""Some of it is longer than a lease here."""

HELD: tuple[Part, ...] = ("job", "API", "model server", "Valkey", "worker", "queue", "fork server")
"""All that somebody else keeps running; a job first, as none begins while its queue stands still."""


@pytest.mark.parametrize("fault", faults.of_processes(STILL_AT_WORK), ids=lambda fault: fault.name.replace(" ", "-"))
def test_it_heals_by_itself_and_loses_nothing(ground: Ground, fault: Fault) -> None:
    ground.check(fault)


def test_jobs_that_begin_while_redis_is_silent_for_long_are_done(ground: Ground) -> None:
    ground.check(faults.stands_still("Valkey", (25.0, 25.0)))


def test_what_stands_still_for_ever_is_killed_and_started_again(ground: Ground) -> None:
    ground.check(faults.left_standing(HELD))
