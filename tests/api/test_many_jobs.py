"""However many jobs have ended, a request costs Redis the same commands, and so the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import httpx
import pytest

from bench.finished_jobs import Filled, fill
from latentaug.runtime.jobs import Attempts, connect
from tests.api.bodies import train
from tests.api.services import Home

JOBS = "/v1/jobs"
FEW, MANY = 50, 2000
pytestmark = pytest.mark.usefixtures("empty_redis", "no_jobs_left")


@pytest.fixture
def no_jobs_left(home: Home) -> Iterator[None]:
    home.store.delete_folder("jobs")
    yield
    home.store.delete_folder("jobs")


@pytest.fixture
def commands(home: Home) -> Iterator[Callable[[Callable[[], httpx.Response]], dict[str, int]]]:
    """Tells how often Redis was given each command while something was asked, once it has been asked before."""
    with connect(home.settings) as redis:

        def commands(ask: Callable[[], httpx.Response]) -> dict[str, int]:
            assert ask().is_success
            redis.config_resetstat()
            assert ask().is_success
            found = cast("dict[str, dict[str, int]]", redis.info("commandstats"))
            return {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}

        yield commands


def asks(api: httpx.Client, filled: Filled) -> dict[str, Callable[[], httpx.Response]]:
    """What callers ask for; pages are short, so that there are enough jobs of each sort to fill them."""

    def get(path: str, **options: object) -> Callable[[], httpx.Response]:
        return lambda: api.get(path, params={name: str(value) for name, value in options.items()})

    recent, old = filled.recent[0].id, filled.old[0].id
    return {
        "list": get(JOBS, limit=20),
        "list from the store": get(JOBS, limit=5, cursor=filled.old[-1].id),
        "list a kind": get(JOBS, limit=2, kind="train"),
        "list a state": get(JOBS, limit=2, status="failed"),
        "list a kind in a state": get(JOBS, limit=2, kind="train", status="failed"),
        "list what there is not": get(JOBS, kind="train", status="running"),
        "get": get(f"{JOBS}/{recent}"),
        "get from the store": get(f"{JOBS}/{old}"),
        "result": get(f"{JOBS}/{recent}/result"),
        "events": get(f"{JOBS}/{recent}/events"),
        "readiness": get("/readyz"),
        "metrics": get("/metrics"),
        "submit": lambda: train(api),
    }


def test_what_callers_ask_costs_the_same_commands_with_50_and_with_2000_jobs(
    api: httpx.Client, worker: Attempts, home: Home, commands: Callable[[Callable[[], httpx.Response]], dict[str, int]]
) -> None:
    few = fill(worker, home.store, FEW)
    with_few = {name: commands(ask) for name, ask in asks(api, few).items()}
    more = fill(worker, home.store, MANY - FEW)
    with_many = {name: commands(ask) for name, ask in asks(api, more).items()}

    assert with_many == with_few
    assert all(with_few.values()), "each of these asks Redis"
