"""Small calls of many callers, as the API sends them to a real model server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from latentaug.errors import DeadlineExceeded, InvalidInput, TooFewImages, TooManyRequests, Unavailable
from service.api.compute import joining
from service.api.compute.client import Call, ModelServer
from service.api.compute.joining import Joiner
from tests.model_server.conftest import Process, Start, save_model

SLOW = """
import time
from service.model_server import __main__ as program, serving

def compute(key, payloads, between, plainly=serving.compute):
    time.sleep(0 if key.operation == "warm-up" else {seconds})
    return plainly(key, payloads, between)

serving.compute = compute
raise SystemExit(program.main())
"""


@pytest.fixture(scope="module")
def server(start: Start) -> Process:
    process = start()
    save_model(process.store, "m")
    save_model(process.store, "colour", shape=(17, 23, 3))
    return process


@pytest.fixture
def slow(start: Start, tmp_path: Path) -> Process:
    """Takes half a second for whatever it computes."""
    program = tmp_path / "slow.py"
    program.write_text(SLOW.format(seconds=0.5))
    process = start(program=program)
    save_model(process.store, "m")
    return process


def images(seed: int, n: int = 1, shape: tuple[int, int, int] = (8, 8, 1)) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def latents(seed: int, n: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal((n, 4), np.float32)


def decode(seed: int, n: int = 1) -> Call:
    return Call("m", "decode", None, {"latents": latents(seed, n)}, {}, ["images"], 1)


def augment(seed: int, n: int = 1, *, model: str = "m", labels: Any = None, **options: Any) -> Call:
    tensors = {"images": images(seed, n, (17, 23, 3) if model == "colour" else (8, 8, 1))}
    if labels is not None:
        tensors["labels"] = np.array(labels, np.int64)
    parameters = {"method": "interpolation", "alpha": 0.5, "k": 2, "neighbours": "dataset", **options}
    return Call(model, "augment", "v1", tensors, parameters, ["images", "source", "neighbour", "latents"], 2)


def encode(seed: int, n: int = 1) -> Call:
    outputs = ["latents", "log_variances", "reconstruction_error"]
    return Call("m", "encode", "v1", {"images": images(seed, n)}, {}, outputs, 1)


KINDS: dict[str, Callable[[int], Call]] = {
    "encode": encode,
    "encode three": lambda seed: encode(seed, 3),
    "decode": decode,
    "interpolation": augment,
    "extrapolation, coloured": lambda seed: augment(seed, model="colour", method="extrapolation", alpha=2.0),
    "labels of the data set": lambda seed: augment(seed, 2, labels=[seed % 3, 1]),
    "noise": lambda seed: augment(seed, method="noise"),
    "neighbours in the batch": lambda seed: augment(seed, 4, neighbours="batch", labels=[0, 0, 0, 0]),
    "residual": lambda seed: augment(seed, 2, decode="residual"),
}


def with_server(process: Process, work: Callable[[ModelServer], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = ModelServer(process.url)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def together(process: Process, calls: Sequence[Call], timeout: float = 20) -> list[Any]:
    """The answers to calls that come at the same time; exceptions are returned."""

    async def work(client: ModelServer) -> list[Any]:
        joiner = Joiner(client, most_rows=1024)
        return await asyncio.gather(*(joiner.infer(call, timeout) for call in calls), return_exceptions=True)

    found: list[Any] = with_server(process, work)
    return found


def alone(process: Process, calls: Sequence[Call]) -> list[Any]:
    """The answers to calls that come one after the other."""

    async def work(client: ModelServer) -> list[Any]:
        return [await client.infer(call, 20) for call in calls]

    found: list[Any] = with_server(process, work)
    return found


async def metric(process: Process, line: str) -> float:
    """A metric's sum over its labels."""
    connector = aiohttp.UnixConnector(process.url.removeprefix("unix://"))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://x/metrics") as answer:
        found = re.findall(rf"^{line}(?:\{{.*\}})? (\S+)$", await answer.text(), re.MULTILINE)
    return sum(map(float, found))


def asked(process: Process) -> float:
    """Requests that the server has answered."""
    return asyncio.run(metric(process, "inference_requests_total"))


def test_calls_of_any_kind_are_answered_as_alone_to_the_last_bit_in_fewer_requests(server: Process) -> None:
    calls = [make(seed) for seed in range(12) for make in KINDS.values()]
    expected = alone(server, calls)
    before = asked(server)
    found = together(server, calls)
    assert asked(server) - before <= 3 * len(KINDS)
    for call, answer, lone in zip(calls, found, expected, strict=True):
        assert list(answer) == list(lone) == call.outputs
        for name, array in answer.items():
            assert array.dtype == lone[name].dtype
            assert array.shape == lone[name].shape
            assert array.tobytes() == lone[name].tobytes(), (call, name)


@pytest.mark.parametrize(
    "call",
    [
        decode(0, joining.SMALL_ROWS),
        augment(0, 12, neighbours="batch"),
        replace(
            augment(0, 2),
            tensors={"images": images(0, 2), "counts": np.array([1, 2])},
            parameters={"k": 2, "neighbours": "dataset"},
            made=None,
        ),
    ],
    ids=["large", "large in what is made of it", "counted"],
)
def test_what_is_large_or_counted_goes_alone(server: Process, call: Call) -> None:
    before = asked(server)
    assert all(isinstance(answer, dict) for answer in together(server, [call] * 4))
    assert asked(server) - before == 4


def test_one_call_s_fault_is_not_the_others(server: Process) -> None:
    broken = replace(decode(0), tensors={"latents": np.full((1, 4), np.nan, np.float32)})
    calls = [decode(1), decode(2), decode(3), decode(4)]
    found = together(server, [*calls[:2], broken, *calls[2:]])
    assert isinstance(found.pop(2), InvalidInput)
    for answer, lone in zip(found, alone(server, calls), strict=True):
        assert answer["images"].tobytes() == lone["images"].tobytes()
    unknown = augment(5, labels=[7])
    found = together(server, [augment(6, labels=[1]), augment(7, labels=[2]), unknown])
    assert isinstance(found.pop(), TooFewImages)
    assert all(isinstance(answer, dict) for answer in found)


def test_a_fault_of_all_is_each_one_s(server: Process) -> None:
    found = together(server, [augment(seed, k=0) for seed in range(5)])
    assert [type(answer) for answer in found] == [InvalidInput] * 5


def test_a_server_that_is_away_is_so_for_everyone(tmp_path: Path) -> None:
    away = Process(f"unix://{tmp_path}/none", None, None)  # type: ignore[arg-type]
    assert [type(answer) for answer in together(away, [decode(seed) for seed in range(3)])] == [Unavailable] * 3


def test_a_slow_call_does_not_hold_the_next_back_for_long(slow: Process) -> None:
    async def work(client: ModelServer) -> None:
        joiner = Joiner(client, most_rows=1024)
        await joiner.infer(encode(0), 20)  # loads the model
        tasks = [asyncio.create_task(joiner.infer(decode(seed), 20)) for seed in range(5)]
        await asyncio.sleep(joining.PATIENCE + 0.2)
        assert not any(task.done() for task in tasks)
        assert await metric(slow, "queue_samples") == 4  # in the server's queue while the first is computed
        assert all(isinstance(answer, dict) for answer in await asyncio.gather(*tasks))
        assert await metric(slow, "inference_requests_total") == 3

    with_server(slow, work)


def test_who_leaves_is_not_asked_for_and_the_others_are_answered(slow: Process) -> None:
    async def work(client: ModelServer) -> None:
        joiner = Joiner(client, most_rows=1024)
        await joiner.infer(encode(0), 20)
        tasks = [asyncio.create_task(joiner.infer(decode(seed), 20)) for seed in range(6)]
        await asyncio.sleep(0)
        tasks[1].cancel()  # waits
        await asyncio.sleep(joining.PATIENCE + 0.2)
        tasks[2].cancel()  # is under way, with others
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(answer, dict) for answer in found] == [True, False, False, True, True, True]
        assert await metric(slow, "inference_samples_total") == 2 + 5

        tasks = [asyncio.create_task(joiner.infer(decode(seed), 20)) for seed in range(4)]
        await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()  # all of them: nobody waits any more
        await asyncio.gather(*tasks, return_exceptions=True)
        while await metric(slow, "inflight_requests"):
            await asyncio.sleep(0.02)
        assert isinstance(await joiner.infer(decode(9), 20), dict)
        assert await metric(slow, "inference_samples_total") == 2 + 5 + 1, "those that everyone left were given up"

    with_server(slow, work)


def test_too_many_are_refused_by_the_server_not_kept_waiting_here(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "slow.py"
    program.write_text(SLOW.format(seconds=0.5))
    process = start(program=program, max_queue_samples=100)
    save_model(process.store, "m")
    alone(process, [encode(0)])
    found = together(process, [decode(seed) for seed in range(700)])
    refused = [answer for answer in found if isinstance(answer, TooManyRequests)]
    assert refused
    assert all(error.retry_after is not None and error.retry_after >= 1 for error in refused)
    assert len(refused) + sum(isinstance(answer, dict) for answer in found) == 700


def test_a_call_s_time_is_bounded_by_the_server_too(slow: Process) -> None:
    alone(slow, [encode(0)])

    async def work(client: ModelServer) -> list[Any]:
        joiner = Joiner(client, most_rows=1024)
        first = asyncio.create_task(joiner.infer(decode(0), 0.1))
        while not first.done() and not await metric(slow, "inflight_requests"):
            await asyncio.sleep(0.001)  # the others take another way to the server, and might overtake it
        others = (joiner.infer(decode(seed), 0.1) for seed in (1, 2))
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, *others = with_server(slow, work)
    assert isinstance(first, DeadlineExceeded)
    assert all(isinstance(each, DeadlineExceeded | TooManyRequests) for each in others)  # it knows its speed by now
