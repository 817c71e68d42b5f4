"""The model server's operation `label`: checked, bounded, and beside everyone else's requests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from latentaug.errors import DeadlineExceeded, InvalidInput, MalformedInput, TooLarge, TooManyRequests
from service.model_server.aside import MOST
from tests.model_server.conftest import Process, Start, save_model
from tests.model_server.test_server import ask, call, connected, get, images, infer

OUTPUTS = ["labels", "confidence", "kept"]


@pytest.fixture(scope="module")
def server(start: Start) -> Process:
    process = start(max_images=4096)
    save_model(process.store, "m")
    save_model(process.store, "large", shape=(28, 28, 1))
    return process


def blobs(n: int, side: int = 8) -> tuple[Any, Any]:
    """Images of two kinds, bright above or below, and which kind each is."""
    rng, kinds = np.random.default_rng(0), np.arange(n) % 2
    made = rng.integers(0, 40, (n, side, side, 1), np.uint8)
    made[kinds == 0, : side // 2] += 150
    made[kinds == 1, side // 2 :] += 150
    return made, kinds


def test_labels_spread_and_keep_their_numbers(server: Process) -> None:
    x, kinds = blobs(60)
    labels = np.where(np.arange(60) < 20, np.array([7, 100])[kinds], -1)

    answer = infer(server, "label", {"images": x, "labels": labels}, [*OUTPUTS, "nearest"])

    assert (answer["labels"] == np.array([7, 100])[kinds]).all()
    assert answer["confidence"].dtype == np.float32
    assert answer["kept"].dtype == np.bool_
    assert (kinds[answer["nearest"]] == kinds).all()
    assert (answer["nearest"] < 20).all()


def test_its_tensors_are_described(server: Process) -> None:
    _, described, _ = get(server, "/v2/models/m.label")

    assert [entry["name"] for entry in described["inputs"]] == ["images", "labels"]
    assert [(entry["name"], entry["datatype"]) for entry in described["outputs"]] == [
        ("labels", "INT64"),
        ("confidence", "FP32"),
        ("kept", "BOOL"),
        ("nearest", "INT64"),
    ]


HALF = np.array([0, 1, -1, -1])


@pytest.mark.parametrize(
    ("tensors", "parameters", "error", "words"),
    [
        ({"images": images(4)}, {}, MalformedInput, "needs the input labels"),
        ({"images": images(4), "labels": HALF[:3]}, {}, InvalidInput, "4 images but 3 labels"),
        ({"images": images(4), "labels": HALF - 1}, {}, InvalidInput, "-1 or more"),
        ({"images": images(4), "labels": np.full(4, -1)}, {}, InvalidInput, "no image has a label"),
        ({"images": images(4), "labels": np.arange(4)}, {}, InvalidInput, "every image has a label"),
        ({"images": images(4), "labels": HALF}, {"keep": 2.0}, InvalidInput, "keep"),
        ({"images": images(4), "labels": HALF}, {"space": "outer"}, InvalidInput, "space"),
        ({"images": images(4), "labels": HALF}, {"per_class": 1}, MalformedInput, "per_class"),
        ({"images": images(4), "labels": HALF}, {"k": 3}, MalformedInput, "no parameter 'k'"),
    ],
)
def test_what_it_cannot_use_is_refused(
    server: Process, tensors: dict[str, Any], parameters: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        infer(server, "label", tensors, ["labels"], **parameters)


def test_more_images_times_classes_than_a_request_may_have_are_refused(server: Process) -> None:
    labels = np.where(np.arange(4000) < 300, np.arange(4000), -1)

    with pytest.raises(TooLarge, match="300 classes cannot be spread over 4000 images"):
        infer(server, "label", {"images": images(4000), "labels": labels}, ["labels"])


def test_the_largest_request_holds_up_nobody(server: Process) -> None:
    x, kinds = blobs(3000, 28)
    labels = np.where(np.arange(3000) < 100, kinds, -1)
    spreading = call("label", {"images": x, "labels": labels}, OUTPUTS, model="large", timeout=200)
    small = call("encode", {"images": images(1, (28, 28, 1))}, ["latents"], model="large")

    async def both() -> tuple[dict[str, Any], list[float]]:
        async with connected(server) as client:
            await small(client)
            task, waits = asyncio.create_task(spreading(client)), list[float]()
            await asyncio.sleep(0.2)  # until it has begun
            while not task.done():
                began = time.monotonic()
                await small(client)
                waits.append(time.monotonic() - began)
                await asyncio.sleep(0.02)
            return await task, waits

    answer, waits = asyncio.run(both())

    assert (answer["labels"] == kinds)[answer["labels"] >= 0].mean() > 0.99
    assert len(waits) > 3
    assert np.median(waits) < 0.5  # as alone, give or take a busy machine


def test_work_that_nobody_waits_for_is_given_up(server: Process) -> None:
    x, kinds = blobs(4096, 28)
    tensors = {"images": x, "labels": np.where(np.arange(4096) < 100, kinds, -1)}
    late = [call("label", tensors, OUTPUTS, model="large", timeout=0.5) for _ in range(3)]

    answers = ask(server, *late)
    began = time.monotonic()
    few, kinds = blobs(60)
    answer = infer(server, "label", {"images": few, "labels": np.where(np.arange(60) < 20, kinds, -1)}, OUTPUTS)

    assert all(isinstance(each, DeadlineExceeded | TooManyRequests) for each in answers)
    assert len(answer["labels"]) == 60
    assert time.monotonic() - began < 5


def test_more_than_a_few_at_a_time_are_refused(server: Process) -> None:
    x, kinds = blobs(1000)
    tensors = {"images": x, "labels": np.where(np.arange(1000) < 100, kinds, -1)}

    answers = ask(server, *[call("label", tensors, ["labels"], timeout=60) for _ in range(2 * MOST)])

    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert refused
    assert all(error.retry_after is not None for error in refused)
    assert len(refused) + sum(isinstance(answer, dict) for answer in answers) == 2 * MOST
    assert isinstance(infer(server, "label", tensors, ["labels"]), dict)
