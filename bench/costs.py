"""What one request and one job take of what all hosts share: `python -m bench.costs`.

Valkey itself counts what it is asked for, and how long that takes it. What it is asked for at rest is taken off. The
counts do not depend on the machine. Writes docs/results/costs.md and .json.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpx
from redis import Redis

from bench import results, workload
from bench.fleet import Fleet
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis

HOME = Path("build/costs")
RATES = {"rate_limit": "10000/minute", "upload_limit": "10000/minute"}
EPOCHS = 5
TRAIN = {"dataset": "digits", "latent_dim": 4, "epochs": EPOCHS, "patience": EPOCHS}
EVALUATE = {
    "dataset": "digits",
    "latent_dims": [4],
    "epochs": EPOCHS,
    "labelled": 100,
    "draws": 8,
    "methods": ["interpolation"],
    "classifiers": ["knn"],
    "comparators": [],
    "combine": False,
    "tune": False,
}
CLEAR_SECONDS = 5.0
"""Seconds after a job's end for which what it takes is still counted: its workers clear away what it has left."""
CALLERS, WRITE_SECONDS = 64, 3.0
_WRITE = b"*3\r\n$3\r\nSET\r\n$5\r\ncosts\r\n$1\r\n1\r\n"
_WRITTEN = b"+OK\r\n"


@dataclass(frozen=True)
class Taken:
    """What Valkey was asked for.

    Attributes:
        round_trips: how often a caller waited for an answer.
        commands: commands, with those that scripts give.
        microseconds: time in commands, without writing them to disk.
        sent_bytes: bytes over its connections, both ways.
    """

    round_trips: float
    commands: float
    microseconds: float
    sent_bytes: float

    @classmethod
    def so_far(cls, redis: Redis) -> Taken:
        """All since Valkey was started."""
        info = cast("dict[str, int]", redis.info("stats"))
        return cls(
            info["total_reads_processed"],
            info["total_commands_processed"],
            info["eventloop_duration_cmd_sum"],
            info["total_net_input_bytes"] + info["total_net_output_bytes"],
        )

    def less(self, other: Taken, times: float = 1.0) -> Taken:
        """This without so many times the other."""
        return Taken(*(mine - times * theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def each(self, number: float) -> Taken:
        """This shared out among so many."""
        return Taken(*(max(0.0, mine / number) for mine in astuple(self)))


class Meter:
    """Tells what something takes beyond what the service takes at rest."""

    def __init__(self, redis: Redis, rest_seconds: float) -> None:
        self._redis = redis
        self._asking = Taken(0, 0, 0, 0)
        began = Taken.so_far(redis)
        self._asking = Taken.so_far(redis).less(began)  # what it takes to ask
        self.at_rest = Taken(0, 0, 0, 0)
        self.at_rest = self.of(lambda: time.sleep(rest_seconds), rest_seconds)

    def of(self, work: Callable[[], object], number: float) -> Taken:
        """What each of `number` takes that `work` does."""
        before, began = Taken.so_far(self._redis), time.monotonic()
        work()
        seconds = time.monotonic() - began
        return Taken.so_far(self._redis).less(before).less(self._asking).less(self.at_rest, seconds).each(number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write docs/results/costs.*."""
    parser = argparse.ArgumentParser(description="Measure what a request and a job take of what hosts share.")
    parser.add_argument("--requests", type=int, default=500, help="of each sort (500)")
    parser.add_argument(
        "--rest", type=float, default=60.0, help="seconds for which the service is watched at rest (60)"
    )
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    store = ArtefactStore((HOME.absolute() / "store").as_uri())
    workload.save_trained(store)
    with EmbeddedRedis(HOME / "valkey") as url, Redis.from_url(url) as redis:
        common = {"redis_url": url, "store_url": (HOME.absolute() / "store").as_uri()}
        with Fleet(HOME.absolute(), common, {}) as fleet:
            fleet.start_model_server("127.0.0.1")
            fleet.start_api("127.0.0.1")
            fleet.start_api("127.0.0.2", **RATES)
            fleet.start_worker("127.0.0.1", queues='["train", "evaluate"]')
            fleet.wait()
            plain, with_rates = (httpx.Client(base_url=api.url, timeout=60) for api in fleet.apis)
            meter = Meter(redis, asked.rest)
            taken = {"the service at rest, a second": meter.at_rest}
            taken |= dict(_jobs(meter, plain, store))
            taken |= dict(_requests(meter, plain, with_rates, asked.requests))
            sizes = {shape.images: _bytes(plain, shape) for shape in workload.SHAPES}
        writes = asyncio.run(_writes(unquote(urlsplit(url).path)))
    data = {"valkey": {name: asdict(each) for name, each in taken.items()}, "bytes": sizes, "writes": writes}
    results.write(
        asked.results,
        "costs",
        " ".join(["python -m bench.costs", *arguments]),
        environment,
        data,
        page(taken, sizes, writes),
    )


def _requests(meter: Meter, plain: httpx.Client, with_rates: httpx.Client, number: int) -> Iterator[tuple[str, Taken]]:
    """What each sort of request takes."""
    encode = workload.npy_request(workload.request_images(1), workload.Shape(1, 1))

    def ask(client: httpx.Client) -> None:
        client.post(encode.path, content=encode.body, headers=dict(encode.headers)).raise_for_status()

    def times(work: Callable[[], object]) -> Callable[[], object]:
        return lambda: [work() for _ in range(number)]

    ask(plain)
    ask(with_rates)
    job = plain.get("/v1/jobs").json()["jobs"][0]
    yield "augment one image", meter.of(times(lambda: ask(plain)), number)
    yield "augment one image, where callers have rates", meter.of(times(lambda: ask(with_rates)), number)
    yield "ask `/readyz`", meter.of(times(lambda: plain.get("/readyz")), number)
    yield "ask `/metrics`", meter.of(times(lambda: plain.get("/metrics")), number)
    yield "list jobs", meter.of(times(lambda: plain.get("/v1/jobs")), number)
    yield "get a job", meter.of(times(lambda: plain.get(f"/v1/jobs/{job['id']}")), number)


def _jobs(meter: Meter, client: httpx.Client, store: ArtefactStore) -> Iterator[tuple[str, Taken]]:
    """What a job takes from its submission to its end, with nobody watching."""
    yield f"train, {EPOCHS} short epochs", meter.of(lambda: _done(client, store, "train", TRAIN), 1)
    found: list[dict[str, Any]] = []
    whole = meter.of(lambda: found.append(_done(client, store, "evaluate", EVALUATE)), 1)
    parts = found[0]["children"]["done"]
    yield f"evaluate, {parts} sub-jobs", whole
    yield "... for each sub-job", whole.each(parts)


def _done(client: httpx.Client, store: ArtefactStore, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """Have a job done and cleared away, and look only in the store whether it has ended; return its record."""
    job = client.post(f"/v1/jobs/{kind}", json=params).raise_for_status().json()
    while not store.exists(f"jobs/{job['id']}/record.json"):
        time.sleep(0.05)
    time.sleep(CLEAR_SECONDS)
    return dict(client.get(f"/v1/jobs/{job['id']}").json())


def _bytes(client: httpx.Client, shape: workload.Shape) -> tuple[int, int]:
    """Bytes of the bodies of a request and of its answer."""
    request = workload.npy_request(workload.request_images(shape.images), shape)
    answer = client.post(request.path, content=request.body, headers=dict(request.headers))
    answer.raise_for_status()
    return len(request.body), len(answer.content)


async def _writes(path: str) -> float:
    """Writes a second that Valkey keeps, each on disk before it is answered, for many callers that each wait."""
    count, end = 0, time.monotonic() + WRITE_SECONDS

    async def write() -> None:
        nonlocal count
        reader, writer = await asyncio.open_unix_connection(path)
        while time.monotonic() < end:
            writer.write(_WRITE)
            await reader.readexactly(len(_WRITTEN))
            count += 1
        writer.close()

    await asyncio.gather(*(write() for _ in range(CALLERS)))
    return count / WRITE_SECONDS


def page(taken: dict[str, Taken], sizes: dict[int, tuple[int, int]], writes: float) -> list[str]:
    """The page: Valkey, then bytes."""
    return [
        "# What a request and a job take of what hosts share",
        "",
        "## Of Valkey",
        "",
        "One API without rates and one with, one model server, and a worker for two queues, all at rest but for what "
        "is measured; what they take at rest is taken off. Scripts give commands of their own, without a round trip.",
        "",
        "| what | round trips | commands | microseconds in commands | bytes, both ways |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {each.round_trips:.2f} | {each.commands:.2f} | {each.microseconds:.1f} "
            f"| {each.sent_bytes:,.0f} |"
            for name, each in taken.items()
        ),
        "",
        f"{CALLERS} callers who each wait for their answer had {writes:,.0f} writes a second done, each on disk before "
        "it was answered. They are one Python process, so Valkey itself can do more.",
        "",
        "## Of the network",
        "",
        f"Bodies of requests that make {workload.CHILDREN} new images of 28x28 for each image, as npy. The hop from "
        "the API to the model server carries the same arrays again.",
        "",
        "| images | bytes sent | bytes answered | both, for each image |",
        "|---|---|---|---|",
        *(
            f"| {images} | {sent:,} | {answered:,} | {(sent + answered) / images:,.0f} |"
            for images, (sent, answered) in sorted(sizes.items())
        ),
    ]


if __name__ == "__main__":
    main()
