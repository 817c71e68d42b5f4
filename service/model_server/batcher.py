"""Dynamic batching: requests of one kind that wait together are computed together.

One thread owns the device. As soon as it is free it takes the oldest request, together with the waiting requests of the
same kind. While it is busy the queue grows, so batches grow with the load, and an idle server adds no delay. A request
is never split over batches, and a batch keeps to a limit of samples, unless a single request is larger than that.

A larger request is computed piece by piece. Between two pieces others go first that are no larger than a batch, so that
no caller can hold up all others; and the work ends if its caller has left, or has no time left.

When there is too much load, requests that would be late are refused as they arrive, which costs least. Computed late,
they would be useless, and would make the requests behind them late too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any, Generic, TypeVar

from latentaug.augment.neighbours import Between
from latentaug.errors import DeadlineExceeded, LatentaugError, Unavailable
from service.asgi.failures import let_go
from service.model_server.waiting import Item, Result, Waiting

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
P = TypeVar("P")


class GivenUp(DeadlineExceeded):
    """Nobody waits for the work any more."""


class Batcher(Generic[K, P]):
    """Queues of requests, and the thread that computes them.

    Args:
        compute: takes a key, the payloads of a batch and what is to be called between two pieces of the work, and
            returns one result for each payload: its answer, or an exception for that request alone. If it raises an
            `Exception`, the requests of the batch are tried again one by one, so that a bad one fails alone; a
            `BaseException` ends the thread. It may be called again from what it calls in between.
        max_batch: most samples in a batch of several requests.
        max_queue: most samples that wait, in requests that are no larger than a batch, and as many in larger ones; a
            request that finds none before it is always accepted.
        on_batch: called in the thread after every batch with its key, the sizes of its requests, the seconds that each
            of them waited, and the seconds of the computation.
        on_death: called once in the thread if it ends without having been told to.
    """

    def __init__(
        self,
        compute: Callable[[K, Sequence[P], Between], Sequence[Any]],
        *,
        max_batch: int,
        max_queue: int,
        on_batch: Callable[[K, Sequence[int], Sequence[float], float], None] | None = None,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._compute = compute
        self._on_batch = on_batch
        self._on_death = on_death
        self._changed = threading.Condition()
        self._waiting = Waiting[K, P](max_batch, max_queue)
        self._numbers = count()
        self._running: list[Item[P]] = []  # of the present batch, after those of the one that it goes in between
        self._computing = 0  # samples of these
        self._in_between = 0.0  # seconds that other batches took between the pieces of the present one
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
        return self._waiting.samples

    @property
    def busy(self) -> bool:
        """Whether samples wait or are being computed."""
        return self._waiting.samples + self._computing > 0

    def submit(self, key: K, payload: P, size: int, deadline: float = float("inf")) -> Result:
        """Queue a request.

        Args:
            key: requests with equal keys may be computed together.
            payload: what `compute` is given.
            size: number of samples; 0 if the request says nothing about the speed.
            deadline: time on the monotonic clock after which the request is no longer computed.

        Returns:
            The future of its result. Cancelling it before its batch begins takes it out of the queue, and later on ends
            the work if it is the only one of its batch.

        Raises:
            TooManyRequests: the queue is full, or at the measured speed the request would miss its deadline;
                `retry_after` follows from that speed.
            Unavailable: the thread has ended.
        """
        with self._changed:
            if not self.alive:
                raise Unavailable("the model server is going down; try again shortly", retry_after=1)
            self._waiting.check(size, deadline, self._ahead())
            item = Item(payload, size, deadline, next(self._numbers))
            self._waiting.add(key, item)
            self._changed.notify()
        item.future.add_done_callback(self._withdraw)
        return item.future

    def _ahead(self) -> int:
        """Samples that are being computed, but for those of a request that ends at its next pause: its caller left."""
        return self._computing - sum(item.size for item in self._running[:1] if item.future.left)

    def _withdraw(self, future: Future[Any]) -> None:
        """Take a cancelled request out of its queue at once, so that it takes no other request's place.

        This is the future's callback, so it must hold no reference to the request: the two would keep each other, with
        payload and model, in memory until the garbage collector finds them.
        """
        if future.cancelled():
            with self._changed:
                self._waiting.withdraw(future)

    def _run(self) -> None:
        try:
            while self._computed_one():
                pass
        except BaseException as error:  # whatever ends this thread, nobody must wait for it for ever
            log.critical("the engine's thread died: %r", error, exc_info=error)
            self._stopping = True
            if self._on_death:
                self._on_death(error)
        finally:
            self._abandon()

    def _computed_one(self) -> bool:
        """Wait for a batch and compute it, in a frame of its own: while the next is awaited nothing of it stays."""
        if batch := self._next():
            self._execute(*batch)
        return batch is not None

    def _next(self) -> tuple[K, list[Item[P]]] | None:
        """Wait for the next batch; None when told to stop."""
        with self._changed:
            while not self._stopping:
                if batch := self._waiting.next(quick=False):
                    self._begin(batch[1])
                    return batch
                self._changed.wait()
        return None

    def _begin(self, batch: list[Item[P]]) -> None:
        self._running = [*self._running, *batch]
        self._computing += sum(item.size for item in batch)

    def _execute(self, key: K, batch: list[Item[P]]) -> None:
        started, before = time.monotonic(), self._in_between
        self._in_between = 0.0
        results = self._attempt(key, batch)
        whole = time.monotonic() - started
        seconds = whole - self._in_between
        self._in_between = before + whole
        if not all(isinstance(result, GivenUp) for result in results):  # otherwise it was not all computed
            self._waiting.pace.note(sum(item.size for item in batch), seconds)
            if self._on_batch:
                waited = [started - item.queued_at for item in batch]
                self._on_batch(key, [item.size for item in batch], waited, seconds)
        for item, result in zip(batch, results, strict=True):
            settle(item.future, result)
        self._running = self._running[: -len(batch)]
        self._computing -= sum(item.size for item in batch)

    def _attempt(self, key: K, batch: list[Item[P]]) -> Sequence[Any]:
        def between() -> None:
            self._between(batch)

        try:
            return self._compute(key, [item.payload for item in batch], between)
        except Exception as error:  # a batch may fail in any way, and the server must outlive it
            if not isinstance(error, LatentaugError):
                log.exception("a batch of %d failed", len(batch), exc_info=error)
            let_go(error)  # its frames know the batch, whose futures will know the error
            if len(batch) == 1 or isinstance(error, GivenUp):
                return [error] * len(batch)
        return [result for item in batch for result in self._attempt(key, [item])]

    def _between(self, batch: list[Item[P]]) -> None:
        """Between two pieces of a batch: give it up if nobody wants it, and else let a batch of quick ones go first.

        Raises:
            GivenUp: nobody wants it.
        """
        if not any(item.wanted for item in batch):
            raise GivenUp("the deadline passed while it was computed; send less or allow more time")
        if self._waiting.is_quick(sum(item.size for item in batch)):
            return
        with self._changed:
            quick = None if self._stopping else self._waiting.next(quick=True)
            if quick:
                self._begin(quick[1])
        if quick:
            self._execute(*quick)

    def _abandon(self) -> None:
        """Fail all requests that wait or were being computed."""
        with self._changed:
            waiting = self._waiting.clear()
        for item in [*self._running, *waiting]:
            if item.future.done() or (not item.future.running() and not item.future.set_running_or_notify_cancel()):
                continue
            item.future.set_exception(Unavailable("the model server stopped; try again shortly", retry_after=1))


def settle(future: Future[Any], result: Any) -> None:
    """Give a running future its result, or its exception."""
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
