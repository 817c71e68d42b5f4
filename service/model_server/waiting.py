"""Requests that wait for the device: in what order they go, and which are refused because there are too many.

There are quick requests, of no more samples than a batch may have, and long ones. Quick ones need not wait until a long
one is done, but go between two pieces of its work. So each kind is refused only for what is ahead of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from latentaug.errors import DeadlineExceeded, TooManyRequests

MEMORY = 0.9
"""How much of its weight in the measured speed a batch keeps each time that another one is computed."""
PROMPT = 0.8
"""The part of its time until the deadline that a request may be expected to need; the rest is for its way back."""

K = TypeVar("K", bound=Hashable)
P = TypeVar("P")


class Result(Future[Any]):
    """The future of a request's result. It also tells whether its caller has left since it began to be computed."""

    left = False

    def cancel(self) -> bool:
        """Say that nobody waits for the result any more."""
        self.left = True
        return super().cancel()


@dataclass(eq=False)
class Item(Generic[P]):
    """One request in the queue."""

    payload: P
    size: int
    deadline: float
    number: int
    future: Result = field(default_factory=Result)
    queued_at: float = field(default_factory=time.monotonic)

    @property
    def wanted(self) -> bool:
        """Whether anyone waits for it, and still has time."""
        return not self.future.left and time.monotonic() < self.deadline


class Pace:
    """How long samples take, judging by recent batches."""

    def __init__(self) -> None:
        self._computed, self._busy = 0.0, 0.0  # samples and seconds; those of older batches count less

    def note(self, samples: int, seconds: float) -> None:
        """Count a batch."""
        if samples:
            self._computed = MEMORY * self._computed + samples
            self._busy = MEMORY * self._busy + seconds

    def seconds(self, samples: int) -> float:
        """How many seconds so many samples take; 0 before the first batch."""
        return samples * self._busy / self._computed if self._computed else 0.0


class Waiting(Generic[K, P]):
    """Queues of requests, one for each key. Whoever uses them holds a lock.

    Args:
        max_batch: most samples in a batch of several requests, and of a quick request.
        max_queue: most samples of quick requests that wait, and as many of long ones; one that finds none before it is
            always accepted.
    """

    def __init__(self, max_batch: int, max_queue: int) -> None:
        self.pace = Pace()
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._queues: dict[K, deque[Item[P]]] = {}
        self._samples = {True: 0, False: 0}  # of quick requests and of long ones
        self._quick = 0  # how many quick requests wait

    @property
    def samples(self) -> int:
        """Samples waiting."""
        return sum(self._samples.values())

    def is_quick(self, size: int) -> bool:
        """Whether a request of so many samples goes between the pieces of a long one."""
        return size <= self._max_batch

    def check(self, size: int, deadline: float, computing: int) -> None:
        """Refuse a request that would be late, or for which there is no room.

        Args:
            size: its samples.
            deadline: when its time ends.
            computing: samples that are being computed.

        Raises:
            TooManyRequests: `retry_after` follows from the measured speed.
        """
        quick = self.is_quick(size)
        queued = self._samples[quick]
        ahead = queued + (computing if not quick or self.is_quick(computing) else 0)
        ahead += 0 if quick else self._samples[True]
        if queued and queued + size > self._max_queue:
            wait = min(60.0, max(1.0, self.pace.seconds(queued)))
            raise TooManyRequests(
                f"{queued} samples are waiting, and with this request's {size} there would be more than "
                f"{self._max_queue}; try again in {wait:.0f} s",
                retry_after=wait,
            )
        left = deadline - time.monotonic()
        if ahead and self.pace.seconds(ahead + size) > PROMPT * left:
            wait = min(60.0, max(1.0, self.pace.seconds(ahead + size) - PROMPT * left))
            raise TooManyRequests(
                f"{ahead} samples are ahead of this request's {size}, too many to finish within its {left:.1f} s; try "
                f"again in {wait:.0f} s, or allow more time",
                retry_after=wait,
            )

    def add(self, key: K, item: Item[P]) -> None:
        """Have a request wait."""
        self._queues.setdefault(key, deque()).append(item)
        self._count(item, 1)

    def next(self, *, quick: bool) -> tuple[K, list[Item[P]]] | None:
        """Take the next batch: the oldest request and those of its key behind it; or the oldest quick one and those."""
        while self._quick if quick else self._queues:
            # The key whose first request is oldest, so that no key starves another.
            firsts = {key: self._first(queue, quick) for key, queue in self._queues.items()}
            key = min((key for key, first in firsts.items() if first is not None), key=lambda key: firsts[key] or 0)
            if batch := self._take(key, quick):
                return key, batch
        return None

    def withdraw(self, future: Future[Any]) -> None:
        """Take out the request whose future this is, if it waits."""
        waiting = ((key, item) for key, queue in self._queues.items() for item in queue if item.future is future)
        if found := next(waiting, None):
            key, item = found
            self._queues[key].remove(item)
            self._count(item, -1)
            if not self._queues[key]:
                del self._queues[key]

    def clear(self) -> list[Item[P]]:
        """Take out all."""
        items = [item for queue in self._queues.values() for item in queue]
        self._queues.clear()
        self._samples, self._quick = {True: 0, False: 0}, 0
        return items

    def _first(self, queue: deque[Item[P]], quick: bool) -> int | None:
        """The number of the oldest request in a queue, or of the oldest quick one; None if there is none."""
        return next((item.number for item in queue if not quick or self.is_quick(item.size)), None)

    def _take(self, key: K, quick: bool) -> list[Item[P]]:
        """Pop requests of one key that are neither cancelled nor late, in order, up to the limit on a batch."""
        queue, batch, total, passed = self._queues[key], list[Item[P]](), 0, list[Item[P]]()
        while queue and (not batch or total + queue[0].size <= self._max_batch):
            item = queue.popleft()
            if quick and not self.is_quick(item.size):
                passed.append(item)
                continue
            self._count(item, -1)
            if not item.future.set_running_or_notify_cancel():
                continue
            if time.monotonic() >= item.deadline:
                item.future.set_exception(DeadlineExceeded("the deadline passed in the queue; allow more time"))
            else:
                batch.append(item)
                total += item.size
        queue.extendleft(reversed(passed))
        if not queue:
            del self._queues[key]
        return batch

    def _count(self, item: Item[P], step: int) -> None:
        quick = self.is_quick(item.size)
        self._samples[quick] += step * item.size
        self._quick += step * quick
