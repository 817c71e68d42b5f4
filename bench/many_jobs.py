"""What 100,000 finished jobs cost: `python -m bench.many_jobs`.

Fills a home with 1,000 finished jobs, enough for full pages of each sort, and then with as many as are asked for. Each
time it starts the service and has one caller ask it for lists, jobs and readiness, one request after the other. Then it
does once what the workers do over and over. Writes docs/results/many-jobs.md and .json.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import cast

import httpx
from redis import Redis

from bench import results
from bench.finished_jobs import TENANT, Filled, fill
from examples.running import running_service
from latentaug.runtime.jobs import Attempts, JobRecord, OldJobs, connect
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.api import keys
from service.stack.valkey import EmbeddedRedis
from worker.reconciler import Watch, reconcile
from worker.retention import delete_old_jobs
from worker.sweeping import sweep

HOME = Path("build/many-jobs")
FEW, MANY, REQUESTS = 1000, 100_000, 300
GOAL = 50.0
"""Milliseconds that the median of each request to 100,000 jobs should stay under."""
RESULTS_STAY = 14.0
"""Days after which the files of a job are deleted here, so that half of the jobs have none any more."""
TRAIN = {"dataset": "digits"}
_WAITING = {"queues": '["label"]', "max_queued_jobs": "10000"}
"""With these settings the training jobs that are submitted wait, and none of them is measured with the rest."""
_APART = 997
"""So far apart in age are the jobs that are asked for one after the other."""

Ask = Callable[[int], httpx.Response]


@dataclass(frozen=True)
class Measured:
    """What was measured with so many jobs.

    Attributes:
        jobs: how many there are.
        requests: milliseconds that each request of a sort took.
        chores: seconds that each of the workers' chores took.
        memory: bytes of Redis.
        of_the_last_day: bytes of Redis that the record and the events of one job take until a day after its end.
    """

    jobs: int
    requests: dict[str, list[float]]
    chores: dict[str, float]
    memory: int
    of_the_last_day: float


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure and write docs/results/many-jobs.*."""
    parser = argparse.ArgumentParser(description="Measure what many finished jobs cost.")
    parser.add_argument("--jobs", type=int, default=MANY, help=f"how many there are in the end ({MANY})")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"of each sort ({REQUESTS})")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(home, ignore_errors=True)
    few = _measured(home, FEW, FEW, asked.requests)
    many = _measured(home, asked.jobs - FEW, asked.jobs, asked.requests)
    results.write(
        asked.results,
        "many-jobs",
        " ".join(["python -m bench.many_jobs", *arguments]),
        environment,
        [asdict(few), asdict(many)],
        page(few, many),
    )


def _measured(home: Path, more: int, jobs: int, requests: int) -> Measured:
    """Add `more` jobs, so that there are `jobs`, and measure."""
    home.mkdir(parents=True, exist_ok=True)
    with EmbeddedRedis(home) as url, _worker(home, url) as (attempts, _, store):
        filled = fill(attempts, store, more)
    chores = {"finding those in the store once Redis was emptied": filled.indexing}
    (everybody, line), (tenant, tenants_line) = keys.new(keys.SCOPES, keys.EVERYBODY), keys.new(keys.SCOPES, TENANT)
    settings = {"tenants": "true", "api_keys": f"{line},{tenants_line}", **_WAITING}
    began = time.perf_counter()
    with running_service(home, **settings) as service:
        chores["starting the whole service"] = time.perf_counter() - began
        with _caller(service.url, everybody) as caller, _caller(service.url, tenant) as of_tenant:
            times = {name: _times(ask, requests) for name, ask in _requests(caller, of_tenant, filled, requests)}
        with _worker(home, EmbeddedRedis(home).url) as (attempts, redis, store):
            memory = cast("dict[str, int]", redis.info("memory"))["used_memory"]
            of_the_last_day = median(_bytes(redis, record) for record in filled.recent)
            chores |= {name: _seconds(chore) for name, chore in _chores(attempts, redis, store, home)}
    return Measured(jobs, times, chores, memory, of_the_last_day)


def _bytes(redis: Redis, record: JobRecord) -> int:
    """Bytes that a job's record and events take in Redis."""
    return sum(redis.memory_usage(key(what, record.id), samples=0) or 0 for what in ("job", "events"))


@contextmanager
def _worker(home: Path, url: str) -> Iterator[tuple[Attempts, Redis, ArtefactStore]]:
    """What a worker works with."""
    settings = Settings(home=home, redis_url=url)
    store = ArtefactStore(settings.resolved_store_url)
    with connect(settings, socket_timeout=60) as redis:
        yield Attempts(redis, store, settings), redis, store


@contextmanager
def _caller(url: str, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=600) as client:
        yield client


def _requests(caller: httpx.Client, tenant: httpx.Client, filled: Filled, number: int) -> Iterator[tuple[str, Ask]]:
    """Each sort of request, and how to send one of them."""
    recent, old = filled.recent, filled.old
    stored, deep = {"cursor": old[-1].id}, {"cursor": old[len(old) // 10].id}
    augmented = {"kind": "augment", "status": "succeeded"}
    with_result = [record for record in old if (record.kind, record.status) == ("augment", "succeeded")]

    def of(records: Sequence[JobRecord], what: str = "") -> Ask:
        return lambda i: caller.get(f"/v1/jobs/{records[i * _APART % len(records)].id}{what}")

    yield "list the newest jobs", lambda _: caller.get("/v1/jobs")
    yield "list jobs near the end", lambda _: caller.get("/v1/jobs", params=deep)
    yield "list 200 jobs at once", lambda _: caller.get("/v1/jobs", params=stored | {"limit": "200"})
    yield "list one kind", lambda _: caller.get("/v1/jobs", params=stored | {"kind": "augment"})
    yield "list one state", lambda _: caller.get("/v1/jobs", params=stored | {"status": "failed"})
    yield "list one kind in one state", lambda _: caller.get("/v1/jobs", params=stored | augmented)
    yield "list a state that no job has", lambda _: caller.get("/v1/jobs", params={"status": "running"})
    yield "list a tenant's jobs", lambda _: tenant.get("/v1/jobs", params=stored)
    yield "get a job of the last day", of(recent)
    yield "get an older job", of(old)
    yield "get the result of an older job", of(with_result, "/result")
    yield "get the events of a job of the last day", of(recent, "/events")
    yield "get the events of an older job", of(old, "/events")
    yield "ask `/readyz`", lambda _: caller.get("/readyz")
    yield "ask `/metrics`", lambda _: caller.get("/metrics")
    submitted: list[str] = []

    def submit(_: int) -> httpx.Response:
        answer = caller.post("/v1/jobs/train", json=TRAIN)
        submitted.append(answer.json()["id"])
        return answer

    yield "submit a job", submit
    yield "cancel a job that waits", lambda i: caller.delete(f"/v1/jobs/{submitted[i]}")
    yield "delete a finished job", lambda i: caller.delete(f"/v1/jobs/{submitted[i]}/record")


def _times(ask: Ask, number: int) -> list[float]:
    """Milliseconds that each of so many requests took, one after the other."""
    times = []
    for i in range(number):
        began = time.perf_counter()
        answer = ask(i)
        times.append(round((time.perf_counter() - began) * 1000, 3))
        if not answer.is_success:
            raise SystemExit(
                f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}"
            )
    return times


def _chores(
    attempts: Attempts, redis: Redis, store: ArtefactStore, home: Path
) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the workers do over and over, and how to do it once."""
    settings = Settings(home=home, result_retention_days=RESULTS_STAY)
    queue, old, now = JobQueue(redis, settings), OldJobs(redis, store), datetime.now(UTC)
    retention = partial(delete_old_jobs, old, attempts, settings, now)
    yield "every 3 seconds: looking after unfinished jobs", lambda: reconcile(attempts, queue, Watch(1.0))
    yield "every 3 seconds: deleting the files of 20 old jobs", retention
    while old.empty_ended_before(now - timedelta(days=RESULTS_STAY), most=1000):
        pass
    yield "every 3 seconds: finding no more old files", retention
    yield "every 10 minutes: completing the index", attempts.complete_index
    yield "every 10 minutes: sweeping the store", lambda: sweep(store, attempts, old, now)


def _seconds(chore: Callable[[], object]) -> float:
    began = time.perf_counter()
    chore()
    return time.perf_counter() - began


def page(few: Measured, many: Measured) -> list[str]:
    """The page: whether the goal is reached, requests, chores and memory."""
    medians = {name: median(times) for name, times in many.requests.items()}
    slowest = max(medians, key=lambda name: medians[name])
    missed = sum(each >= GOAL for each in medians.values())
    reached = f"missed by {missed} of {len(medians)} requests" if missed else "reached by all requests"
    small, large = (measured.memory / 2**20 for measured in (few, many))
    return [
        f"# {many.jobs:,} finished jobs",
        "",
        f"- **Goal**, a median under {GOAL:g} ms with {many.jobs:,} jobs: {reached}. What takes longest is to "
        f"{slowest}, {medians[slowest]:.1f} ms.",
        f"- **Memory of Redis**: {large:.0f} MiB, and {small:.1f} MiB with {few.jobs:,} jobs. The record and the "
        f"dozen events of a job of the last day take {many.of_the_last_day / 1024:.1f} KiB of it.",
        "",
        "One caller, one request after the other, over HTTP. Jobs are of five kinds and three ends, half of them of a "
        "tenant; one in thirty ended within the last day and is in Redis, the others only in the store.",
        "",
        f"| request | {few.jobs:,} jobs: median, ms | 99th percentile, ms | {many.jobs:,} jobs: median, ms "
        "| 99th percentile, ms | ratio of medians |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {_row(before)} | {_row(times)} | {median(times) / median(before):.2f} |"
            for (name, times), before in zip(many.requests.items(), few.requests.values(), strict=True)
        ),
        "",
        f"| chore of the workers | {few.jobs:,} jobs, s | {many.jobs:,} jobs, s |",
        "|---|---|---|",
        *(f"| {name} | {few.chores[name]:.3f} | {seconds:.3f} |" for name, seconds in many.chores.items()),
    ]


def _row(times: Sequence[float]) -> str:
    """The median and the 99th percentile."""
    return f"{median(times):.1f} | {quantiles(times, n=100)[-1]:.1f}"


if __name__ == "__main__":
    main()
