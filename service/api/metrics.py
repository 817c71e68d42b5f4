"""Prometheus metrics of the API process."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        labels = ("route", "method", "status")
        self.requests = Counter("http_requests", "Requests answered.", labels, registry=self._registry)
        self.seconds = Histogram(
            "http_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered.", registry=self._registry)
        self._jobs = Gauge("jobs", "Jobs by kind and state.", ("kind", "status"), registry=self._registry)

    def expose(self, jobs: Mapping[tuple[str, str], int]) -> bytes:
        """The metrics in Prometheus's text form; `jobs` counts the jobs by state, and is empty where unknown."""
        self._jobs.clear()
        for (kind, status), count in jobs.items():
            self._jobs.labels(kind, status).set(count)
        return generate_latest(self._registry)


class RequestMetrics:
    """ASGI middleware that counts and times requests by route template, never by path, so that labels stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

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
        try:
            with self._metrics.in_flight.track_inprogress():
                await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route, method).observe(time.perf_counter() - started)
