"""A service that has shown on quiet ground what is right, with callers who use it while it is broken."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from bench.chaos import asks, audit, work
from bench.chaos.asks import NPZ, exchange
from bench.chaos.callers import Jobs, ask_until
from bench.chaos.faults import Fault
from bench.chaos.healing import Healing
from bench.chaos.ledger import Ledger
from bench.chaos.parts import LASTING
from bench.chaos.stack import Stack
from bench.chaos.uploads import Uploads
from bench.chaos.work import Work, made_by

ASKING = 2
"""Callers who send requests, each one at a time."""
HEAL_SECONDS = 120.0
"""Seconds within which the service must heal after any fault."""
JOB_SECONDS = 600.0
"""Longest wait for a job on a quiet service."""


@dataclass(frozen=True)
class Suffered:
    """One fault, and what came of it.

    Attributes:
        fault: its name.
        seconds: how long healing took: from the fault, or from its end where it lasted; None if it did not heal.
        answers: answers by status, from the fault until it had healed.
    """

    fault: str
    seconds: float | None
    answers: dict[int, int]


class Stage:
    """What is needed to break a service and to see what is lost.

    Attributes:
        stack: the service.
        ledger: what callers have seen.
        jobs: who has jobs done.
        uploads: who uploads data sets.

    Args:
        store: the URL of its store.
    """

    def __init__(self, stack: Stack, store: str, ledger: Ledger, seed: int, works: Sequence[Work]) -> None:
        self.stack, self.ledger = stack, ledger
        self._store, self._seed = store, seed
        with httpx.Client(base_url=stack.url) as client:
            _prepare(client)
            models = (work.PAPER, work.RESIDUAL)
            self.right = asks.expected(client, [ask for model in models for ask in asks.of_model(model)])
            made = _results(client, works)
        self.jobs = Jobs(stack.url, made, ledger, seed)
        self.uploads = Uploads(stack.url, ledger, seed)
        self.uploads.learn()
        ask = next(iter(self.right))
        whole = {part: len(found) for part, found in stack.parts().items() if part in LASTING}
        self._healing = Healing(stack, ask, self.right[ask], whole)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have callers use the service for as long as the block lasts."""
        over = threading.Event()
        callers = [
            threading.Thread(target=ask_until, args=(over, self.stack.url, self.right, self.ledger, self._seed + i))
            for i in range(ASKING)
        ]
        callers += [threading.Thread(target=who.until, args=(over,)) for who in (self.jobs, self.uploads)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            over.set()
            for caller in callers:
                caller.join()

    def suffer(self, fault: Fault, rng: random.Random) -> Suffered | None:
        """Break the service in one way, and wait until it has healed; None where there was nothing to break."""
        before, seen = self._healing.before(), Counter(self.ledger.answers)
        began = time.monotonic()
        if not fault.happen(self.stack, rng):
            return None
        lasted = time.monotonic() - began if not fault.lasts else 0.0
        took = self._healing.within(HEAL_SECONDS, before)
        if took is None:
            self.ledger.accuse(f"{fault.name}: not healed within {HEAL_SECONDS:.0f} s: {self._healing.lacks()}")
        statuses = Counter[int]()
        for (_, status), count in (Counter(self.ledger.answers) - seen).items():
            statuses[status] += count
        return Suffered(fault.name, None if took is None else took + lasted, dict(sorted(statuses.items())))

    def audit(self) -> None:
        """Wait until all jobs have ended, and look whether all is there that must be."""
        audit.of_jobs(self.jobs, self.ledger)
        audit.of_store(self.stack.url, self._store, self.uploads, self.jobs.models, self.ledger)

    def close(self) -> None:
        """Close its connections."""
        self.jobs.close()
        self.uploads.close()
        self._healing.close()


def _prepare(client: httpx.Client) -> None:
    """Bring the data set and train the models that requests and jobs use."""
    put = exchange(client, "POST", f"/v1/datasets?name={work.BASE}", work.base_images(), {"Content-Type": NPZ})
    if put.status != 201:
        raise SystemExit(f"a quiet service did not take the data set: {put.status} {put.said}")
    for name in (work.PAPER, work.RESIDUAL):
        _done(client, _submitted(client, "train", work.training(name, 6) | {"name": name}))


def _results(client: httpx.Client, works: Sequence[Work]) -> dict[Work, bytes]:
    """What each job makes on a quiet service."""
    waiting = {
        each: _submitted(client, each.kind, dict(each.params) | _named(each, number))
        for number, each in enumerate(works)
    }
    found = {}
    for each, record in waiting.items():
        made = made_by(client, each, _done(client, record))
        if made.status != 200:
            raise SystemExit(f"{each.name}: a quiet service did not tell its result: {made.status} {made.said}")
        found[each] = made.body
    return found


def _named(each: Work, number: int) -> dict[str, str]:
    return {"name": f"quiet-{number}"} if each.kind == "train" else {}


def _submitted(client: httpx.Client, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = exchange(
        client, "POST", f"/v1/jobs/{kind}", json.dumps(params).encode(), {"Content-Type": "application/json"}
    )
    if answer.status != 202:
        raise SystemExit(f"a quiet service refused a job: {answer.status} {answer.said}")
    return dict(json.loads(answer.body))


def _done(client: httpx.Client, record: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + JOB_SECONDS
    while record["status"] != "succeeded":
        if record["status"] not in ("queued", "running") or time.monotonic() > deadline:
            raise SystemExit(f"a quiet service did not do a job: {record}")
        time.sleep(0.2)
        record = json.loads(exchange(client, "GET", f"/v1/jobs/{record['id']}").body)
    return record
