"""Who uses the service all the time: some ask, one brings data sets and takes them away, one has jobs done."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from bench.chaos.asks import Answer, Ask, exchange, send
from bench.chaos.ledger import MEANWHILE, NO_ROOM, Ledger
from bench.chaos.work import Work, made_by

AGAIN = 0.5
"""Seconds until a request that could not be answered is sent again."""
PATIENCE = 240.0
"""Seconds for which it is sent again."""
ASKING_PAUSE = (0.02, 0.25)
"""Fewest and most seconds between two requests of one who asks."""
UNFINISHED = 5
"""Jobs that are in the service at the same time."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the jobs."""
CANCELLED = 0.1
"""Share of the jobs that are cancelled."""
BEING_DELETED = frozenset({409})
"""What a deletion is answered that was sent before, and whose answer was lost when the API was killed in the middle."""
KEPT = 6
"""Models that trainings have made and that are not deleted yet."""


def ask_until(over: threading.Event, url: str, right: Mapping[Ask, bytes], ledger: Ledger, seed: int) -> None:
    """Send requests one after the other, and compare each whole answer with the right one."""
    rng, asks = random.Random(seed), list(right)  # noqa: S311 (no secret depends on it)
    with httpx.Client(base_url=url) as client:
        while not over.wait(rng.uniform(*ASKING_PAUSE)):
            ask = rng.choice(asks)
            answer = send(client, ask)
            same = answer.body == right[ask] if answer.status == 200 else None
            ledger.answered(ask.name, answer.status, right=same, said=answer.said)


def insist(
    what: str,
    ledger: Ledger,
    once: Callable[[], Answer],
    over: threading.Event | None = None,
    later: Collection[int] = (),
) -> Answer:
    """Send a request again until it gets an answer of its own, `over` is set, or patience ends.

    Args:
        what: the kind of request.
        ledger: where its answers are noted.
        once: sends it once.
        over: ends it early.
        later: further statuses after which it is sent again.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = once()
        ledger.answered(what, answer.status, said=answer.said, its_own=(404, 409))
        if answer.status not in {*MEANWHILE, NO_ROOM, *later} or time.monotonic() > deadline:
            return answer
        if over is not None and over.is_set():
            return answer
        time.sleep(AGAIN)


@dataclass
class Accepted:
    """A job that the service has accepted, and what is expected of it.

    Attributes:
        work: what it was asked to do.
        record: its record, as last seen.
        since: when it was accepted, on the monotonic clock.
        cancelled: whether it was cancelled.
    """

    work: Work
    record: dict[str, Any]
    since: float
    cancelled: bool = False


class Jobs:
    """Has jobs done, and compares what they have made with what a quiet service made.

    Attributes:
        unfinished: the jobs that the service has accepted and not yet ended.
        models: names of the models that trainings have made and that were not deleted.
        accepted: how many jobs were accepted.
    """

    def __init__(self, url: str, right: Mapping[Work, bytes], ledger: Ledger, seed: int) -> None:
        self.unfinished: list[Accepted] = []
        self.models: list[str] = []
        self.accepted = 0
        self._client = httpx.Client(base_url=url)
        self._right = right
        self._ledger = ledger
        self._rng = random.Random(seed)  # noqa: S311 (no secret depends on it)
        self._works = list[Work]()

    def until(self, over: threading.Event) -> None:
        """Have jobs done until told to stop; what is unfinished then is looked at by `look`."""
        while not over.wait(LOOK_EVERY):
            if len(self.unfinished) < UNFINISHED:
                self.submit(self._next(), over)
            self.look()

    def submit(self, work: Work, over: threading.Event | None = None) -> Accepted | None:
        """Have one job done; None where the service could not accept it."""
        params = dict(work.params) | ({"name": f"made-{uuid4().hex[:12]}"} if work.kind == "train" else {})
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        body = json.dumps(params).encode()
        answer = insist(
            f"submit {work.kind}",
            self._ledger,
            lambda: exchange(self._client, "POST", f"/v1/jobs/{work.kind}", body, headers),
            over,
        )
        if answer.status != 202:
            if answer.status not in MEANWHILE:
                self._ledger.accuse(f"{work.name} was refused: {answer.status} {answer.said}")
            return None
        job = Accepted(work, json.loads(answer.body), time.monotonic())
        self.accepted += 1
        self.unfinished.append(job)
        if self._rng.random() < CANCELLED and over is not None:
            self._cancel(job)
        return job

    def look(self) -> None:
        """Look at each unfinished job once, and check those that have ended."""
        for job in list(self.unfinished):
            answer = exchange(self._client, "GET", f"/v1/jobs/{job.record['id']}")
            self._ledger.answered("look at a job", answer.status, said=answer.said)
            if answer.status == 404:
                self._ledger.lose(f"{_called(job)} was accepted and is unknown")
                self.unfinished.remove(job)
            if answer.status != 200:
                continue
            job.record = json.loads(answer.body)
            if job.record["status"] not in ("queued", "running"):
                self.unfinished.remove(job)
                self._check(job)
        while len(self.models) > KEPT:
            self._delete(self.models.pop(0))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _next(self) -> Work:
        """Each work in turn, in an order that changes."""
        if not self._works:
            self._works = self._rng.sample(list(self._right), len(self._right))
        return self._works.pop()

    def _cancel(self, job: Accepted) -> None:
        path = f"/v1/jobs/{job.record['id']}"
        answer = insist("cancel", self._ledger, lambda: exchange(self._client, "DELETE", path))
        job.cancelled = answer.status == 200

    def _check(self, job: Accepted) -> None:
        """Check how a job has ended and what it has made."""
        status, error = job.record["status"], job.record["error"] or {}
        if status == "failed" and error.get("code") == "not_stored" and self._ledger.short_of_room(job.since):
            self._ledger.job_ended(job.work.kind, "no room")
            return
        self._ledger.job_ended(job.work.kind, status)
        if status == "cancelled" and job.cancelled:
            return
        if status != "succeeded":
            self._ledger.lose(f"{_called(job)} {status}: {error}")
            return
        if job.work.kind == "train":
            self.models.append(job.record["params"]["name"])
        made = insist("result", self._ledger, lambda: made_by(self._client, job.work, job.record))
        if made.status != 200:
            self._ledger.lose(f"{_called(job)} has succeeded and its result is not there: {made.status} {made.said}")
        elif made.body != self._right[job.work]:
            self._ledger.accuse(f"{_called(job)} made something else than on a quiet service")

    def _delete(self, model: str) -> None:
        answer = insist(
            "delete a model",
            self._ledger,
            lambda: exchange(self._client, "DELETE", f"/v1/models/{model}"),
            later=BEING_DELETED,
        )
        if answer.status not in (204, 404):  # 404 where an earlier try did it and its answer was lost
            self._ledger.accuse(f"the model {model} could not be deleted: {answer.status} {answer.said}")


def _called(job: Accepted) -> str:
    return f"job {job.record['id']} ({job.work.name}, attempt {job.record['attempt']})"
