"""Work that takes seconds and needs no device: done beside the engine's thread, where it holds up no request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from latentaug.augment.spreading import Told
from latentaug.errors import TooManyRequests

MOST = 8
"""Most pieces of work at a time, the one that is being done among them."""
RETRY_SECONDS = 2.0

Result = TypeVar("Result")


class GivenUp(Exception):
    """Nobody waits for the work any more."""


class Aside:
    """One thread, and the work that waits for it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._places = threading.BoundedSemaphore(MOST)

    @contextmanager
    def doing(self, work: Callable[[Told], Result]) -> Iterator[Future[Result]]:
        """Have work done, and give it up when the block ends.

        Args:
            work: it is given a function to tell how far it has come, which ends it once it is given up.

        Yields:
            The future of its result.

        Raises:
            TooManyRequests: too much work waits already.
        """
        if not self._places.acquire(blocking=False):
            raise TooManyRequests(
                f"{MOST} requests to label or to measure quality are waiting or being computed; try again shortly, or "
                "make it a job",
                retry_after=RETRY_SECONDS,
            )
        given_up = threading.Event()

        def tell(fraction: float, stage: str) -> None:
            if given_up.is_set():
                raise GivenUp

        future = self._thread.submit(work, tell)
        future.add_done_callback(lambda _: self._places.release())
        try:
            yield future
        finally:
            given_up.set()
            future.cancel()

    def close(self) -> None:
        """End the thread; work that waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)
