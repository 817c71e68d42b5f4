"""Several real model servers: each has its own models, and where one is away the next in order has them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from latentaug.errors import NotFound, Unavailable
from latentaug.storage.objects import ArtefactStore
from service.api.compute.client import Call
from service.api.compute.servers import ModelServers, in_order
from tests.model_server.conftest import Process, Start, save_model

pytestmark = pytest.mark.slow

MODELS = [f"m{number}" for number in range(8)]
RETURN_SECONDS = 20.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in MODELS:
        save_model(ArtefactStore((tmp_path / "store").as_uri()), name)
    return tmp_path


@pytest.fixture
def servers(start: Start, home: Path) -> Iterator[list[Process]]:
    """Two that share a store, on different sockets."""
    started = [start(url=f"unix://{home}/{name}", home=home) for name in ("one", "two")]
    yield started
    for server in started:
        server.process.kill()


def with_servers(servers: list[Process], work: Callable[[ModelServers], Awaitable[Any]]) -> None:
    async def run() -> None:
        asked = ModelServers([server.url for server in servers])
        try:
            await work(asked)
        finally:
            await asked.close()

    asyncio.run(run())


async def encode(servers: ModelServers, model: str) -> Any:
    images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    return (await servers.infer(Call(model, "encode", None, {"images": images}, {}, ["latents"], 1), 20))["latents"]


async def loaded(server: Process) -> set[str]:
    """The models that a server has in memory."""
    connector = aiohttp.UnixConnector(server.url.removeprefix("unix://"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://x/v2/repository/index", json={"ready": True}) as answer,
    ):
        return {entry["name"].partition(".")[0] for entry in await answer.json()}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(RETURN_SECONDS):
        while not true():
            await asyncio.sleep(0.05)


def test_every_model_is_in_the_memory_of_its_first_server_alone(servers: list[Process]) -> None:
    async def work(asked: ModelServers) -> None:
        for _ in range(2):
            for model in MODELS:
                await encode(asked, model)
        urls = [server.url for server in servers]
        for server in servers:
            own = {model for model in MODELS if in_order(urls, model)[0] == server.url}
            assert await loaded(server) == own != set()
        metrics = (await asked.metrics()).decode()
        assert all(f'server="{server.url}"' in metrics for server in servers)
        assert await asked.ready() == 2

    with_servers(servers, work)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_in_order_takes_the_models_of_one_that_is_away_until_it_is_back(
    servers: list[Process], start: Start, home: Path, number: signal.Signals
) -> None:
    async def work(asked: ModelServers) -> None:
        right = {model: await encode(asked, model) for model in MODELS}
        gone, stays = servers
        gone.process.send_signal(number)
        for _ in range(5):  # while it stops, and after that
            answers = await asyncio.gather(*(encode(asked, model) for model in MODELS))
            assert all(np.array_equal(right[model], answer) for model, answer in zip(MODELS, answers, strict=True))
        await asyncio.to_thread(gone.process.wait)
        await asyncio.gather(*(encode(asked, model) for model in MODELS))
        assert (asked.left_out, await asked.ready()) == (1, 1)
        assert await loaded(stays) == set(MODELS)
        assert stays.url in (await asked.metrics()).decode()

        again = await asyncio.to_thread(lambda: start(url=gone.url, home=home))
        await until(lambda: asked.left_out == 0)
        await asyncio.gather(*(encode(asked, model) for model in MODELS))
        urls = [server.url for server in servers]
        assert await loaded(again) == {model for model in MODELS if in_order(urls, model)[0] == again.url}

    with_servers(servers, work)


def test_one_that_stands_still_is_left_out_once_it_was_asked_whether_it_is_ready(servers: list[Process]) -> None:
    async def work(asked: ModelServers) -> None:
        servers[0].process.send_signal(signal.SIGSTOP)
        assert await asked.ready() == 1
        for model in MODELS:
            async with asyncio.timeout(5):
                await encode(asked, model)
        servers[0].process.send_signal(signal.SIGCONT)
        await until(lambda: asked.left_out == 0)

    with_servers(servers, work)


def test_a_model_is_dropped_by_every_server_that_has_it(servers: list[Process]) -> None:
    async def work(asked: ModelServers) -> None:
        for server in servers:  # as after one of them was away
            one = ModelServers([server.url])
            await encode(one, "m0")
            await one.close()
            assert "m0" in await loaded(server)
        await asked.unload("m0")
        assert ["m0" in await loaded(server) for server in servers] == [False, False]

    with_servers(servers, work)


def test_where_none_is_left_callers_are_told_to_try_again_and_other_errors_are_of_the_request(
    servers: list[Process],
) -> None:
    async def work(asked: ModelServers) -> None:
        with pytest.raises(NotFound):
            await encode(asked, "no-such-model")
        assert asked.left_out == 0
        for server in servers:
            server.process.kill()
            await asyncio.to_thread(server.process.wait)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await encode(asked, "m0")
            assert caught.value.retry_after == 1
        assert await asked.ready() == 0
        with pytest.raises(Unavailable):
            await asked.metrics()
        with pytest.raises(Unavailable):
            await asked.unload("m0")

    with_servers(servers, work)
