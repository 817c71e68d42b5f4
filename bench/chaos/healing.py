"""When the service has healed: it is ready, answers rightly, and all of its processes run, those of jobs too."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from bench.chaos import parts
from bench.chaos.asks import Ask, exchange, send
from bench.chaos.parts import LASTING, Part
from bench.chaos.stack import Stack

LOOK_EVERY = 0.1
"""Seconds between two looks."""


@dataclass(frozen=True)
class Before:
    """What there was before a fault.

    Attributes:
        processes: the processes by part.
        running: the attempt of each job that was running, by id.
    """

    processes: Mapping[Part, list[int]]
    running: Mapping[str, int]


class Healing:
    """Tells when a service has healed.

    Args:
        stack: the service.
        ask: a request to try.
        right: its right answer.
        whole: how many processes of each part there are when all is well.
    """

    def __init__(self, stack: Stack, ask: Ask, right: bytes, whole: Mapping[Part, int]) -> None:
        self._stack, self._ask, self._right, self._whole = stack, ask, right, whole
        self._client = httpx.Client(base_url=stack.url)

    def before(self) -> Before:
        """What there is now."""
        found = self._running()
        return Before(self._stack.parts(), found or {})

    def within(self, seconds: float, before: Before) -> float | None:
        """Wait for it; return the seconds that it took from now on, or None if it took longer than that."""
        began = time.monotonic()
        while (took := time.monotonic() - began) < seconds:
            if self._healed(before):
                return took
            time.sleep(LOOK_EVERY)
        return None

    def lacks(self) -> str:
        """What is not well now, in words."""
        found = self._stack.parts()
        counts = {part: sum(parts.runs(pid) for pid in found[part]) for part in LASTING}
        return f"ready: {self._stack.ready()}; processes: {counts}; jobs running: {self._running()}"

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _healed(self, before: Before) -> bool:
        found = self._stack.parts()
        if any(sum(parts.runs(pid) for pid in found[part]) != self._whole[part] for part in LASTING):
            return False
        if not self._stack.ready():
            return False
        answer = send(self._client, self._ask)
        return (answer.status, answer.body) == (200, self._right) and self._taken_up(before)

    def _taken_up(self, before: Before) -> bool:
        """Whether as many jobs have ended or gone on with their next attempt as have lost their process."""
        dead = sum(not parts.there(pid) for pid in before.processes["job"])
        if not dead:
            return True
        running = self._running()
        if running is None:
            return False
        moved = sum(self._moved(job, attempt, running) for job, attempt in before.running.items())
        return moved >= min(dead, len(before.running))

    def _moved(self, job: str, attempt: int, running: Mapping[str, int]) -> bool:
        """Whether a job has ended since, or goes on with another attempt."""
        return running[job] > attempt if job in running else self._ended(job)

    def _ended(self, job: str) -> bool:
        answer = exchange(self._client, "GET", f"/v1/jobs/{job}")
        return answer.status == 200 and json.loads(answer.body)["status"] not in ("queued", "running")

    def _running(self) -> dict[str, int] | None:
        """The attempt of each running job, by id; None where that is not told."""
        answer = exchange(self._client, "GET", "/v1/jobs?status=running&limit=100")
        if answer.status != 200:
            return None
        return {job["id"]: job["attempt"] for job in json.loads(answer.body)["jobs"]}
