"""Prometheus metrics of the API process, and of the workers.

A job's process ends with its job, so what workers do is counted in Redis, by the same scripts that change the job's
record. Those counts outlive the processes, add up over all workers and hosts, and need no port for each process.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.runtime.jobs.record import ENDS, Kind, Status
from service.api.exposition import combined

_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


_DONE = {
    "attempts": ("job_attempts", "Times that a worker started a job or a sub-job."),
    "lease_losses": (
        "job_lease_losses",
        "Times that a running job or sub-job lost its process or its lease.",
    ),
    "epochs": ("training_epochs", "Epochs trained, including those lost with their process."),
    "images": ("training_images", "Images that were trained on, counted once for each epoch."),
    "training_seconds": ("training_seconds", "Seconds that epochs took, including their validation."),
    "webhooks_sent": ("webhooks_sent", "Webhooks that their receivers accepted."),
    "webhooks_lost": ("webhooks_lost", "Webhooks that were given up, as no receiver accepted them."),
    "cells": ("evaluation_cells", "Cells of evaluations measured."),
}
"""Counters by kind of job: how workers call them, and their names and meanings in the metrics."""
_TIDIED = {
    "jobs_deleted": "Jobs that were deleted with their files, as they were old enough.",
    "job_files_deleted": "Jobs whose files were deleted, as they were old enough.",
    "uploads_deleted": "Data sets that were deleted, as they were never used.",
    "swept_bytes": "Bytes that killed processes had left in the store, and that were swept up.",
}
"""Counters of what was deleted, and their meanings."""


@dataclass(frozen=True)
class JobFigures:
    """What Redis knows of jobs and workers; empty where Redis does not answer.

    Attributes:
        jobs: number of jobs by kind and status, the ended ones since Redis was last empty.
        waiting: number of jobs and sub-jobs in each kind's queue.
        workers: number of processes that serve each kind's queue.
        counted: what workers have done, by name, then by kind or by kind and status.
        stored: bytes in the artefact store, by owner of a key.
    """

    jobs: Mapping[tuple[Kind, Status], int] = field(default_factory=dict)
    waiting: Mapping[Kind, int] = field(default_factory=dict)
    workers: Mapping[Kind, int] = field(default_factory=dict)
    counted: Mapping[str, Mapping[tuple[str, ...], float]] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)


class JobMetrics:
    """Collects the latest figures for Prometheus."""

    def __init__(self) -> None:
        self.figures = JobFigures()

    def collect(self) -> Iterator[Metric]:
        """All metrics, including those without figures."""
        figures = self.figures
        jobs = GaugeMetricFamily("jobs", "Jobs by kind and status.", labels=("kind", "status"))
        ended = CounterMetricFamily("jobs_ended", "Jobs that ended, by kind and status.", labels=("kind", "status"))
        for labels, count in figures.jobs.items():
            jobs.add_metric(labels, count)
            if labels[1] in ENDS:
                ended.add_metric(labels, count)
        seconds = CounterMetricFamily(
            "job_seconds", "Seconds from the first start of jobs to their end.", labels=("kind", "status")
        )
        for both, total in figures.counted.get("seconds", {}).items():
            seconds.add_metric(both, total)
        waiting = GaugeMetricFamily("job_queue_depth", "Jobs and sub-jobs that wait for a worker.", labels=("kind",))
        workers = GaugeMetricFamily("workers", "Worker processes that serve a queue.", labels=("kind",))
        for gauge, values in ((waiting, figures.waiting), (workers, figures.workers)):
            for kind, value in values.items():
                gauge.add_metric((kind,), value)
        yield from (jobs, ended, seconds, waiting, workers)
        for key, (name, meaning) in _DONE.items():
            counter = CounterMetricFamily(name, meaning, labels=("kind",))
            for labelled, number in figures.counted.get(key, {}).items():
                counter.add_metric(labelled, number)
            yield counter
        for name, meaning in _TIDIED.items():
            counter = CounterMetricFamily(name, meaning, labels=())
            for labelled, number in figures.counted.get(name, {}).items():
                counter.add_metric(labelled, number)
            yield counter
        stored = GaugeMetricFamily("stored_bytes", "Bytes in the store that an API key made.", labels=("owner",))
        for owner, size in figures.stored.items():
            stored.add_metric((owner,), size)
        yield stored


class Answered:
    """Counts and times requests.

    All of them are answered in one thread, so this needs none of the locks that Prometheus's own counters take, and
    which would cost each request as much as its checks do.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests = Counter[tuple[str, str, int]]()
        self._seconds: dict[tuple[str, str], _Times] = {}

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request by its route, method and status, and the time that it took by the first two."""
        self._requests[route, method, status] += 1
        times = self._seconds.get((route, method))
        if times is None:
            times = self._seconds[route, method] = _Times()
        times.buckets[bisect_left(_SECONDS, seconds)] += 1
        times.sum += seconds

    def collect(self) -> Iterator[Metric]:
        """What was counted, for Prometheus."""
        labels = ("route", "method", "status")
        requests = CounterMetricFamily("http_requests", "Requests that were answered.", labels=labels)
        for (route, method, status), count in self._requests.items():
            requests.add_metric((route, method, str(status)), count)
        meaning = "Seconds from the first byte of a request to the last of its answer."
        seconds = HistogramMetricFamily("http_request_seconds", meaning, labels=("route", "method"))
        ends = [*map(str, _SECONDS), "+Inf"]
        for of, times in self._seconds.items():
            up_to = [(end, float(count)) for end, count in zip(ends, accumulate(times.buckets), strict=True)]
            seconds.add_metric(of, up_to, times.sum)
        yield requests
        yield seconds
        yield GaugeMetricFamily("http_requests_in_flight", "Requests that are being answered.", self.in_flight)


@dataclass
class _Times:
    """How many requests took up to each of `_SECONDS`, and longer, and how long all of them took."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    sum: float = 0.0


class Metrics:
    """The metrics of one API process, and those of jobs and workers, in registries of their own."""

    def __init__(self) -> None:
        self.of_process, self.of_jobs = CollectorRegistry(), CollectorRegistry()
        ProcessCollector(registry=self.of_process)
        self.answered = Answered()
        meaning = "Model servers that this process asks for nothing until they are back."
        self.model_servers_left_out = Gauge("model_servers_left_out", meaning, registry=self.of_process)
        self._jobs = JobMetrics()
        self.of_process.register(self.answered)
        self.of_jobs.register(self._jobs)

    def own(self) -> bytes:
        """The metrics of this process in Prometheus's text form."""
        return generate_latest(self.of_process)

    def expose(self, figures: JobFigures, processes: Mapping[str, bytes]) -> bytes:
        """All metrics in Prometheus's text form.

        Args:
            figures: what Redis knows of jobs and workers.
            processes: the metrics of all API processes by name, this one's too; empty where it is the only one.
        """
        self._jobs.figures = figures
        return (combined("process", processes) if processes else self.own()) + generate_latest(self.of_jobs)


class RequestMetrics:
    """ASGI middleware that counts and times requests by route template, never by path, so that labels stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._answered = metrics.answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        self._answered.in_flight += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._answered.in_flight -= 1
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._answered.add(route, method, status, time.perf_counter() - started)
