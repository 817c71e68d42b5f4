"""How the service behaves under load: arrivals below and above what it can do, and its memory over many requests."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from bench import clients, memory, workload
from bench.clients import Answer
from bench.workload import Shape

SHAPE = Shape(64, 16)
SOAK_SHAPE = Shape(16, 8)
FRACTIONS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""The rates that are measured, as fractions of the saturation."""
WARM_UP = 0.1
"""Fraction of the soak's requests after which memory is first looked at."""


@dataclass(frozen=True)
class Point:
    """What was measured at one rate of arrivals.

    Attributes:
        fraction: the rate as a fraction of the saturation.
        offered: requests that arrived per second.
        throughput: requests answered with 200 per second.
        goodput: requests answered with 200 within the deadline, per second.
        p50: median latency of the accepted requests, in seconds.
        p99: 99th percentile of that latency.
        refused: fraction of the requests that got 429.
        without_retry_after: answers 429 and 503 that did not say when to try again; there must be none.
        statuses: answers by status; 0 where the connection broke.
        late: 99th percentile of the seconds that the callers themselves were behind schedule.
    """

    fraction: float
    offered: float
    throughput: float
    goodput: float
    p50: float
    p99: float
    refused: float
    without_retry_after: int
    statuses: dict[int, int]
    late: float


@dataclass(frozen=True)
class Soak:
    """Bytes in memory by process, after the warm-up and after the last of so many requests."""

    requests: int
    before: dict[str, int]
    after: dict[str, int]


def curve(
    url: str, *, rounds: int, seconds: float, deadline: float, fractions: Sequence[float] = FRACTIONS
) -> tuple[float, list[Point]]:
    """Measure saturation, then each fraction of it in turn, round after round.

    Args:
        url: our service's URL.
        rounds: rounds of the closed loop that finds the saturation, and of all fractions; medians count.
        seconds: length of each round of the closed loop, and of each fraction in a round.
        deadline: seconds within which an answer is of use.
        fractions: which fractions of the saturation to measure.

    Returns:
        Saturation in requests per second, and a point for each fraction.
    """
    request = workload.npy_request(workload.request_images(SHAPE.images), SHAPE)
    rates = [asyncio.run(clients.closed_loop(url, request, SHAPE.clients, seconds)) for _ in range(rounds + 1)]
    saturation = float(np.median(rates[1:]))
    found: dict[float, list[Point]] = {fraction: [] for fraction in fractions}
    for number in range(rounds):
        for fraction, points in found.items():
            rate, seed = fraction * saturation, len(found) * number + len(points)
            answers = asyncio.run(clients.open_loop(url, request, rate, seconds, deadline, seed))
            points.append(summarise(fraction, answers, deadline))
        print(f"  load: round {number + 1} of {rounds}", flush=True)
    return saturation, [middle(points) for points in found.values()]


def middle(points: Sequence[Point]) -> Point:
    """Combine the rounds of one fraction into one point: medians of rates and times, sums of what was counted."""

    def median(name: str) -> float:
        return float(np.median([getattr(point, name) for point in points]))

    statuses = sum((Counter(point.statuses) for point in points), Counter[int]())
    return Point(
        fraction=points[0].fraction,
        **{name: median(name) for name in ("offered", "throughput", "goodput", "p50", "p99", "late")},
        refused=statuses[429] / max(statuses.total(), 1),
        without_retry_after=sum(point.without_retry_after for point in points),
        statuses=dict(sorted(statuses.items())),
    )


def summarise(fraction: float, answers: Sequence[Answer], deadline: float) -> Point:
    """Make one point of the curve. Latencies are infinite where nothing was accepted."""
    began = min((answer.ended - answer.seconds for answer in answers), default=0.0)
    elapsed = max((answer.ended for answer in answers), default=1.0) - began
    accepted = [answer.seconds for answer in answers if answer.status == 200]
    arrived = max((answer.ended - answer.seconds for answer in answers), default=1.0) - began
    p50, p99 = np.percentile(accepted, [50, 99]) if accepted else (np.inf, np.inf)
    refusals = [answer for answer in answers if answer.status in (429, 503)]
    statuses = Counter(answer.status for answer in answers)
    return Point(
        fraction=fraction,
        offered=len(answers) / max(arrived, 1e-9),
        throughput=len(accepted) / elapsed,
        goodput=sum(seconds <= deadline for seconds in accepted) / elapsed,
        p50=float(p50),
        p99=float(p99),
        refused=statuses[429] / max(len(answers), 1),
        without_retry_after=sum(answer.retry_after is None for answer in refusals),
        statuses=dict(sorted(statuses.items())),
        late=float(np.percentile([answer.late for answer in answers], 99)) if answers else 0.0,
    )


def soak(url: str, requests: int) -> Soak:
    """Send many requests and look at the memory of the processes after a tenth of them and at the end."""
    request = workload.npy_request(workload.request_images(SOAK_SHAPE.images), SOAK_SHAPE)
    each = max(1, requests // SOAK_SHAPE.clients)
    warm = max(1, round(each * WARM_UP))
    asyncio.run(clients.closed_loop(url, request, SOAK_SHAPE.clients, 0, least=warm))
    before = memory.resident()
    asyncio.run(clients.closed_loop(url, request, SOAK_SHAPE.clients, 0, least=max(1, each - warm)))
    return Soak(each * SOAK_SHAPE.clients, before, memory.resident())


def table(points: Sequence[Point]) -> list[str]:
    """Return the curve as Markdown."""
    peak = max(point.goodput for point in points)
    return [
        "| load | offered/s | answered/s | goodput/s | of peak | p50 | p99 | refused (429) | no Retry-After "
        "| statuses | callers late, p99 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {point.fraction:g} | {point.offered:.1f} | {point.throughput:.1f} | {point.goodput:.1f} "
            f"| {point.goodput / peak if peak else 0:.2f} | {_ms(point.p50)} | {_ms(point.p99)} | {point.refused:.0%} "
            f"| {point.without_retry_after} | {_counts(point.statuses)} | {_ms(point.late)} |"
            for point in points
        ),
    ]


def soak_table(soak: Soak) -> list[str]:
    """Return the memory as Markdown."""
    return [
        "| process | after a tenth, MiB | at the end, MiB | growth |",
        "|---|---|---|---|",
        *(
            f"| {name} | {before / 2**20:.1f} | {soak.after[name] / 2**20:.1f} | {soak.after[name] / before - 1:+.1%} |"
            for name, before in soak.before.items()
        ),
    ]


def plot(points: Sequence[Point], deadline: float) -> bytes:
    """Plot goodput and latency over offered load; return PNG bytes."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    offered = [point.offered for point in points]
    left.plot(offered, [point.goodput for point in points], "o-", label="answered within the deadline")
    left.plot(offered, [point.offered * point.refused for point in points], "s--", label="refused (429)")
    left.plot(offered, offered, ":", color="grey", label="offered")
    left.set(xlabel="requests offered per second", ylabel="requests per second", ylim=(0, None))
    left.legend()
    right.plot(offered, [point.p50 * 1000 for point in points], "o-", label="p50")
    right.plot(offered, [point.p99 * 1000 for point in points], "s-", label="p99")
    right.axhline(deadline * 1000, ls=":", color="grey", label="deadline")
    right.set(xlabel="requests offered per second", ylabel="latency of the accepted, ms", yscale="log")
    right.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if np.isfinite(seconds) else "-"


def _counts(statuses: dict[int, int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in statuses.items())
