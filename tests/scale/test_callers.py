"""What a caller may do holds for all APIs together, however it spreads its requests over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bench.fleet import Fleet
from tests import object_stores
from tests.scale.conftest import HOSTS, Shared

RATE, MEGABYTES, JOBS = 60, 20, 2
KEY, OTHER_KEY = "a-key", "another-key"
TRAIN = {"dataset": "digits", "epochs": 1}


@pytest.fixture(scope="module")
def callers(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """APIs with bounds for each key, whose jobs nobody takes up, as they are in a database of their own."""
    common = {
        "redis_url": f"{shared.redis_url}?db=1",
        "store_url": object_stores.URL,
        "api_keys": f"{KEY}:infer+train+admin,{OTHER_KEY}:infer+train+admin",
        "rate_limit": f"{RATE}/hour",
        "upload_limit": f"{MEGABYTES}/hour",
        "max_jobs_per_key": JOBS,
        "max_dataset_bytes": 2**20,
    }
    with Fleet(tmp_path_factory.mktemp("callers"), common, shared.environment) as fleet:
        for address in HOSTS:
            fleet.start_api(address)
        for api in fleet.apis:
            api.wait("/healthz")  # without a model server they are never ready
        yield fleet


@pytest.fixture
def spread(callers: Fleet) -> Iterator[Iterator[httpx.Client]]:
    """One API after the other, again and again, asked with the first key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    clients = [httpx.Client(base_url=api.url, headers=headers, timeout=60) for api in callers.apis]
    yield itertools.cycle(clients)
    for client in clients:
        client.close()


def test_a_job_is_submitted_once_however_many_apis_are_asked_for_it(spread: Iterator[httpx.Client]) -> None:
    def submit(client: httpx.Client, params: dict[str, object]) -> httpx.Response:
        return client.post("/v1/jobs/train", json=params, headers={"Idempotency-Key": "once"})

    clients = list(itertools.islice(spread, 9))
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda client: submit(client, TRAIN), clients))
    other = submit(next(spread), {**TRAIN, "epochs": 2})

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert other.status_code == 409
    assert [len(next(spread).get("/v1/jobs").json()["jobs"]) for _ in HOSTS] == [1] * len(HOSTS)


def test_a_key_has_no_more_jobs_than_it_may_have_at_one_api(spread: Iterator[httpx.Client]) -> None:
    clients = list(itertools.islice(spread, 9))
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda client: client.post("/v1/jobs/train", json=TRAIN), clients))

    # one is left of the test before
    assert sorted(answer.status_code for answer in answers) == [202] * (JOBS - 1) + [429] * (10 - JOBS)


def test_a_callers_megabytes_are_counted_over_all_apis(spread: Iterator[httpx.Client]) -> None:
    body = b"x" * 10**6  # refused as no image, after it was counted
    headers = {"Content-Type": "application/x-npz"}
    statuses = [
        next(spread).post("/v1/datasets?name=never", content=body, headers=headers).status_code
        for _ in range(MEGABYTES + 4)
    ]

    assert set(statuses) == {400, 429}
    # each API takes a little in advance and may not use it up
    assert MEGABYTES - len(HOSTS) <= statuses.count(400) <= MEGABYTES


def test_a_callers_requests_are_counted_over_all_apis(callers: Fleet) -> None:
    headers = {"Authorization": f"Bearer {OTHER_KEY}"}
    apis = itertools.cycle(callers.apis)
    statuses = [httpx.get(f"{next(apis).url}/v1/models", headers=headers).status_code for _ in range(RATE + 30)]

    assert set(statuses) == {200, 429}
    in_advance = len(HOSTS) * RATE // 20
    assert RATE - in_advance <= statuses.count(200) <= RATE
