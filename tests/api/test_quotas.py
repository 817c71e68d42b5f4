"""What callers may ask for in a time, in one process and in several."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis
from starlette.requests import Request

from latentaug.errors import TooLarge, TooManyRequests
from latentaug.runtime.settings import Settings
from service.api.http import quotas
from service.api.http.quotas import Quotas
from service.stack.valkey import EmbeddedRedis
from tests.api import services
from tests.api.bodies import NPZ, npz, pictures
from tests.api.services import Home


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("home"))
    with server:
        yield server


@pytest.fixture
def settings(server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(quotas, "ASK_SECONDS", 20.0)  # a busy machine is not to be taken for a Redis that is away
    with Redis.from_url(server.url) as redis:
        redis.flushall()
    return Settings(home=tmp_path, redis_url=server.url)


def made(settings: Settings, **rates: str) -> Quotas:
    return Quotas(settings.model_copy(update=rates))


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


async def passed(quota: Quotas, tries: int, caller: str = "one", **headers: str) -> int:
    """How many of so many requests pass."""
    count = 0
    for _ in range(tries):
        try:
            await quota.count(caller, request(**headers))
            count += 1
        except TooManyRequests:
            pass
    return count


def test_a_caller_over_the_rate_is_told_when_to_come_back(settings: Settings) -> None:
    async def calls() -> None:
        quota = made(settings, rate_limit="2/minute")
        assert await passed(quota, 2) == 2
        assert await passed(quota, 1, "another") == 1
        with pytest.raises(TooManyRequests, match=r"more requests than 2/minute allows") as caught:
            await quota.count("one", request())
        assert caught.value.retry_after is not None
        assert 1 <= caught.value.retry_after <= 120

    asyncio.run(calls())


def test_several_processes_count_together(settings: Settings) -> None:
    async def calls() -> None:
        several = [made(settings, rate_limit="100/day") for _ in range(3)]
        counts = await asyncio.gather(*(passed(quota, 100) for quota in several))
        assert 100 - 3 * 100 // quotas.ADVANCE <= sum(counts) <= 100, "what one took in advance may be left over"

    asyncio.run(calls())


def test_callers_of_one_process_at_once_get_all_that_they_may(settings: Settings) -> None:
    async def calls() -> None:
        quota = made(settings, rate_limit="100/day")
        assert 95 <= sum(await asyncio.gather(*(passed(quota, 3) for _ in range(50)))) <= 100

    asyncio.run(calls())


def test_hardly_any_request_waits_for_redis(settings: Settings, server: EmbeddedRedis) -> None:
    async def calls() -> None:
        quota = made(settings, rate_limit="10000/day")
        await passed(quota, 400)
        await asyncio.sleep(0.1)

    with Redis.from_url(server.url) as redis:
        before = int(redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])
        asyncio.run(calls())
        assert int(redis.info("commandstats")["cmdstat_evalsha"]["calls"]) - before <= 4


def test_a_window_slides(settings: Settings) -> None:
    async def calls() -> None:
        quota = made(settings, rate_limit="4/second")
        assert 4 <= await passed(quota, 10) <= 8, "on a busy machine they may fall into two seconds"
        await asyncio.sleep(3.1)  # so that nothing was counted in the second before this one
        assert await passed(quota, 10) == 4

    asyncio.run(calls())


def test_bytes_are_counted_too_and_unannounced_ones_as_the_most(settings: Settings) -> None:
    async def calls() -> None:
        quota = made(settings, upload_limit="2/day", max_body_bytes=600_000)  # type: ignore[arg-type]
        assert await passed(quota, 5) == 5, "without a body nothing is counted"
        assert await passed(quota, 2, content_length="500000") == 2
        assert await passed(quota, 3, transfer_encoding="chunked") == 1
        assert await passed(quota, 1, content_length="500000") == 0
        assert await passed(quota, 1, content_length="300000") == 1
        with pytest.raises(TooLarge, match="2/day"):
            await quota.count("another", request(content_length="2000001"))

    asyncio.run(calls())


@pytest.mark.parametrize("url", [None, "unix:///nowhere/redis.sock"])
def test_without_redis_each_process_counts_for_itself(tmp_path: Path, url: str | None) -> None:
    async def calls() -> None:
        quota = made(Settings(home=tmp_path, redis_url=url), rate_limit="20/minute")  # type: ignore[arg-type]
        assert await passed(quota, 30) == 20

    asyncio.run(calls())


def test_a_silent_redis_holds_up_one_request_and_not_for_long(
    settings: Settings, server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "ASK_SECONDS", 0.5)

    async def calls() -> None:
        quota = made(settings, rate_limit="1000/minute")
        started = time.monotonic()
        assert await passed(quota, 100) == 100
        assert time.monotonic() - started < 3 * quotas.ASK_SECONDS

    with Redis.from_url(server.url) as redis:
        redis.client_pause(5000)
        try:
            asyncio.run(calls())
        finally:
            redis.client_unpause()


def test_the_addresses_of_many_do_not_fill_the_memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST_CALLERS", 10)

    async def calls() -> None:
        quota = made(settings, rate_limit="1000/minute")
        for number in range(50):
            await quota.count(f"address {number}", request())
        assert quota._requests is not None
        assert len(quota._requests._advances) <= 10

    asyncio.run(calls())


def test_a_rate_that_is_none_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must look like"):
        Settings(home=tmp_path, upload_limit="often")


def test_two_api_processes_share_a_rate_and_no_header_gets_around_it() -> None:
    with (
        services.home() as home,
        services.api(home, rate_limit="30/day") as one,
        services.api(home, rate_limit="30/day") as other,
    ):
        statuses = [
            client.get("/v1/models", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
            for number in range(30)
            for client in (one, other)
        ]
        assert 30 - 2 <= statuses.count(200) <= 30
        assert set(statuses) == {200, 429}
        assert one.get("/healthz").status_code == 200


def test_a_proxy_that_is_named_says_who_calls(home: Home) -> None:
    with services.api(home, rate_limit="5/day", trusted_proxies="127.0.0.1") as client:
        statuses = [
            client.get("/v1/models", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
            for number in range(10)
        ]
        assert statuses == [200] * 10


def test_a_key_may_have_only_so_many_jobs_at_once() -> None:
    keys = "one:train,two:train"
    with services.home() as home, services.api(home, api_keys=keys, max_jobs_per_key=2) as client:

        def submit(key: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key}"}
            return client.post("/v1/jobs/train", json={"dataset": "digits"}, headers=headers)

        first, second, third = (submit("one") for _ in range(3))
        assert [answer.status_code for answer in (first, second, third)] == [202, 202, 429]
        assert "2 jobs of your key" in third.json()["detail"]
        assert submit("two").status_code == 202
        job = first.json()["id"]
        assert client.delete(f"/v1/jobs/{job}", headers={"Authorization": "Bearer one"}).is_success
        assert submit("one").status_code == 202


def test_a_key_may_store_only_so_much() -> None:
    keys = "one:train+admin,two:train+admin"
    with services.home() as home, services.api(home, api_keys=keys, max_stored_bytes_per_key=12_000) as client:

        def upload(key: str, name: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": NPZ}
            return client.post(f"/v1/datasets?name={name}", content=npz(images=pictures(8)), headers=headers)

        answers = [upload("one", f"d{number}") for number in range(12)]
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {201, 507}
        assert statuses == sorted(statuses)
        assert "of the 12,000 bytes" in answers[-1].json()["detail"]
        one = {"Authorization": "Bearer one"}
        assert upload("two", "theirs").status_code == 201
        shown = client.get("/metrics", headers=one).text
        assert shown.count("stored_bytes{owner=") == 2
        for name in ("d0", "d1"):
            assert client.delete(f"/v1/datasets/{name}", headers=one).status_code == 204
        assert upload("one", "again").status_code == 201
