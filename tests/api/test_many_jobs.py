"""However many jobs have ended, a request costs Redis the same commands and bytes, and so the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import httpx
import pytest

from bench.finished_jobs import Filled, fill
from latentaug.runtime.jobs import Attempts, connect
from tests.api.bodies import train
from tests.api.services import Home

JOBS = "/v1/jobs"
FEW, MANY = 200, 2000
"""With these the newest jobs are of the same sorts, so that short lists of them are equally long."""
Ask = Callable[[], httpx.Response]
pytestmark = pytest.mark.usefixtures("empty_redis", "no_jobs_left")


@pytest.fixture
def no_jobs_left(home: Home) -> Iterator[None]:
    home.store.delete_folder("jobs")
    yield
    home.store.delete_folder("jobs")


class Cost(NamedTuple):
    """What a request cost Redis: how often it was given each command, and the bytes that it answered."""

    commands: dict[str, int]
    answered: int


@pytest.fixture
def cost(home: Home) -> Iterator[Callable[[Ask], Cost]]:
    """Tells what a request costs once it was asked before, so that connections are there and scripts are known."""
    with connect(home.settings) as redis:

        def cost(ask: Ask) -> Cost:
            assert ask().is_success
            redis.config_resetstat()
            assert ask().is_success
            stats = cast("dict[str, int]", redis.info("stats"))
            found = cast("dict[str, dict[str, int]]", redis.info("commandstats"))
            return Cost({name: each["calls"] for name, each in found.items()}, stats["total_net_output_bytes"])

        yield cost


def asks(api: httpx.Client, filled: Filled) -> dict[str, Ask]:
    """What callers ask for; pages are so short that there are enough jobs of each sort in Redis."""

    def get(path: str, **options: object) -> Ask:
        return lambda: api.get(path, params={name: str(value) for name, value in options.items()})

    recent, old = filled.recent[0].id, filled.old[0].id
    return {
        "list": get(JOBS, limit=2),
        "list from the store": get(JOBS, limit=2, cursor=filled.old[-1].id),
        "list a kind": get(JOBS, limit=2, kind="train"),
        "list a state": get(JOBS, limit=2, status="failed"),
        "list a kind in a state": get(JOBS, limit=1, kind="train", status="failed"),
        "list what there is not": get(JOBS, kind="train", status="running"),
        "get": get(f"{JOBS}/{recent}"),
        "get from the store": get(f"{JOBS}/{old}"),
        "result": get(f"{JOBS}/{recent}/result"),
        "events": get(f"{JOBS}/{recent}/events"),
        "readiness": get("/readyz"),
        "metrics": get("/metrics"),
        "submit and cancel": lambda: api.delete(train(api).headers["location"]),
    }


def test_what_callers_ask_costs_redis_the_same_with_200_and_with_2000_jobs(
    api: httpx.Client, worker: Attempts, home: Home, cost: Callable[[Ask], Cost]
) -> None:
    few = fill(worker, home.store, FEW)
    with_few = {name: cost(ask) for name, ask in asks(api, few).items()}
    more = fill(worker, home.store, MANY - FEW)
    with_many = {name: cost(ask) for name, ask in asks(api, more).items()}

    for name, before in with_few.items():
        assert with_many[name].commands == before.commands, name
        assert with_many[name].answered == pytest.approx(before.answered, rel=0.1), name
