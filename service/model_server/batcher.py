"""Dynamic batching: requests of one kind that wait together are computed together.

One thread owns the device. As soon as it is free it takes the oldest request, together with the waiting requests of the
same kind. While it is busy the queue grows, so batches grow with the load, and an idle server adds no delay. A request
is never split over batches, and a batch keeps to a limit of samples, unless a single request is larger than that.

When there is too much load, requests that would be late are refused as they arrive, which costs least. Computed late,
they would be useless, and would make the requests behind them late too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

from latentaug.errors import DeadlineExceeded, LatentaugError, TooManyRequests, Unavailable

log = logging.getLogger(__name__)

MEMORY = 0.9
"""How much of its weight in the measured speed a batch keeps each time that another one is computed."""
PROMPT = 0.8
"""The part of its time until the deadline that a request may be expected to need; the rest is for its way back."""

K = TypeVar("K", bound=Hashable)
P = TypeVar("P")
Result = Any


@dataclass(eq=False)
class Item(Generic[P]):
    """One request in the queue."""

    payload: P
    size: int
    deadline: float
    number: int
    future: Future[Result] = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)


class Batcher(Generic[K, P]):
    """Queues of requests, one for each kind, and the thread that computes them.

    Args:
        compute: takes a key and the payloads of a batch, and returns one result for each payload: its answer, or an
            exception for that request alone. If it raises an `Exception`, the requests of the batch are tried again
            one by one, so that a bad one fails alone; a `BaseException` ends the thread.
        max_batch: most samples in a batch of several requests.
        max_queue: most samples that wait; a request that finds the queue empty is always accepted.
        on_batch: called in the thread after every batch with its key, the sizes of its requests, the seconds that each
            of them waited, and the seconds of the computation.
        on_death: called once in the thread if it ends without having been told to.
    """

    def __init__(
        self,
        compute: Callable[[K, Sequence[P]], Sequence[Result]],
        *,
        max_batch: int,
        max_queue: int,
        on_batch: Callable[[K, Sequence[int], Sequence[float], float], None] | None = None,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._compute = compute
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._on_death = on_death
        self._changed = threading.Condition()
        self._queues: dict[K, deque[Item[P]]] = {}
        self._numbers = count()
        self._queued = 0
        self._computing = 0  # samples in the present batch
        self._computed, self._busy = 0.0, 0.0  # samples and seconds of recent batches; older ones count less
        self._running: list[Item[P]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Fail the requests that wait, finish the current batch and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive() and not self._stopping

    @property
    def queued(self) -> int:
        """Samples waiting."""
        return self._queued

    @property
    def busy(self) -> bool:
        """Whether samples wait or are being computed."""
        return self._queued + self._computing > 0

    def submit(self, key: K, payload: P, size: int, deadline: float = float("inf")) -> Future[Result]:
        """Queue a request.

        Args:
            key: requests with equal keys may be computed together.
            payload: what `compute` is given.
            size: number of samples; 0 if the request says nothing about the speed.
            deadline: time on the monotonic clock after which the request is no longer computed.

        Returns:
            The future of its result. Cancelling it before its batch begins takes it out of the queue.

        Raises:
            TooManyRequests: the queue is full, or at the measured speed the request would miss its deadline;
                `retry_after` follows from that speed.
            Unavailable: the thread has ended.
        """
        with self._changed:
            if not self.alive:
                raise Unavailable("the model server is going down; try again shortly", retry_after=1)
            self._refuse_what_is_too_much(size, deadline)
            item = Item(payload, size, deadline, next(self._numbers))
            self._queues.setdefault(key, deque()).append(item)
            self._queued += size
            self._changed.notify()
        item.future.add_done_callback(self._withdraw)
        return item.future

    def _refuse_what_is_too_much(self, size: int, deadline: float) -> None:
        ahead = self._queued + self._computing
        if self._queued and self._queued + size > self._max_queue:
            wait = min(60.0, max(1.0, self._seconds(self._queued)))
            raise TooManyRequests(
                f"{self._queued} samples are waiting, and with this request's {size} there would be more than "
                f"{self._max_queue}; try again in {wait:.0f} s",
                retry_after=wait,
            )
        left = deadline - time.monotonic()
        if ahead and self._seconds(ahead + size) > PROMPT * left:
            wait = min(60.0, max(1.0, self._seconds(ahead + size) - PROMPT * left))
            raise TooManyRequests(
                f"{ahead} samples are ahead of this request's {size}, too many to finish within its {left:.1f} s; try "
                f"again in {wait:.0f} s, or allow more time",
                retry_after=wait,
            )

    def _seconds(self, samples: int) -> float:
        """How many seconds so many samples take, judging by recent batches; 0 before the first one."""
        return samples * self._busy / self._computed if self._computed else 0.0

    def _withdraw(self, future: Future[Result]) -> None:
        """Take a cancelled request out of its queue at once, so that it takes no other request's place.

        This is the future's callback, so it must hold no reference to the request: the two would keep each other, with
        payload and model, in memory until the garbage collector finds them.
        """
        if not future.cancelled():
            return
        with self._changed:
            waiting = ((key, item) for key, queue in self._queues.items() for item in queue if item.future is future)
            if found := next(waiting, None):
                key, item = found
                self._queues[key].remove(item)
                self._queued -= item.size
                if not self._queues[key]:
                    del self._queues[key]

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._execute(*batch)
        except BaseException as error:  # whatever ends this thread, nobody must wait for it for ever
            log.critical("the engine's thread died: %r", error, exc_info=error)
            self._stopping = True
            if self._on_death:
                self._on_death(error)
        finally:
            self._abandon()

    def _next(self) -> tuple[K, list[Item[P]]] | None:
        """Wait for the next batch: the oldest request and those of its kind behind it; None when told to stop."""
        with self._changed:
            while not self._stopping:
                if not self._queues:
                    self._changed.wait()
                    continue
                # The key whose first request is oldest, so that no key starves another.
                key = min(self._queues, key=lambda key: self._queues[key][0].number)
                if batch := self._take(key):
                    self._running = batch
                    self._computing = sum(item.size for item in batch)
                    return key, batch
        return None

    def _take(self, key: K) -> list[Item[P]]:
        """Pop requests of one key that are neither cancelled nor late, in order, up to the limit on a batch."""
        queue, batch, total = self._queues[key], list[Item[P]](), 0
        while queue and (not batch or total + queue[0].size <= self._max_batch):
            item = queue.popleft()
            self._queued -= item.size
            if not item.future.set_running_or_notify_cancel():
                continue
            if time.monotonic() >= item.deadline:
                item.future.set_exception(DeadlineExceeded("the deadline passed in the queue; allow more time"))
            else:
                batch.append(item)
                total += item.size
        if not queue:
            del self._queues[key]
        return batch

    def _execute(self, key: K, batch: list[Item[P]]) -> None:
        started = time.monotonic()
        results = self._attempt(key, batch)
        seconds = time.monotonic() - started
        if self._computing:
            self._computed = MEMORY * self._computed + self._computing
            self._busy = MEMORY * self._busy + seconds
        if self._on_batch:
            waited = [started - item.queued_at for item in batch]
            self._on_batch(key, [item.size for item in batch], waited, seconds)
        for item, result in zip(batch, results, strict=True):
            settle(item.future, result)
        self._running, self._computing = [], 0

    def _attempt(self, key: K, batch: list[Item[P]]) -> Sequence[Result]:
        try:
            return self._compute(key, [item.payload for item in batch])
        except Exception as error:  # a batch may fail in any way, and the server must outlive it
            if not isinstance(error, LatentaugError):
                log.exception("a batch of %d failed", len(batch), exc_info=error)
            if len(batch) == 1:
                return [error]
        return [result for item in batch for result in self._attempt(key, [item])]

    def _abandon(self) -> None:
        """Fail all requests that wait or were being computed."""
        with self._changed:
            waiting = [item for queue in self._queues.values() for item in queue]
            self._queues.clear()
            self._queued = 0
        for item in [*self._running, *waiting]:
            if item.future.done() or (not item.future.running() and not item.future.set_running_or_notify_cancel()):
                continue
            item.future.set_exception(Unavailable("the model server stopped; try again shortly", retry_after=1))


def settle(future: Future[Result], result: Result) -> None:
    """Give a running future its result, or its exception."""
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
