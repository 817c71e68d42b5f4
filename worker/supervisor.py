"""Keeps the processes of each queue running, and the reconciler, until told to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from latentaug.runtime.processes import Child, stop
from latentaug.runtime.settings import Settings
from worker.reconciler import reconcile_until

POLL = 0.2
"""Seconds between two looks at the children."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def supervise(settings: Settings) -> None:
    """Serve all queues until SIGTERM or SIGINT; jobs that run then go back to their queues."""
    told_to_stop = threading.Event()

    def tell(signal_number: int, frame: FrameType | None) -> None:
        told_to_stop.set()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    children = [child for queue in settings.queues for child in _serving(queue, settings)]
    threading.Thread(target=reconcile_until, args=(told_to_stop, settings), name="reconciler", daemon=True).start()
    while not told_to_stop.is_set():
        for child in children:
            child.keep_running()
        told_to_stop.wait(POLL)
    stop(children, max(1.0, 0.8 * settings.drain_seconds))


def _serving(queue: str, settings: Settings) -> list[Child]:
    """The processes of one queue, which share the threads that one would have."""
    processes = settings.evaluate_processes if queue == "evaluate" else 1
    threads = dict.fromkeys(_THREAD_VARIABLES, str(max(1, settings.threads // processes)))
    return [Child(["worker", "--queue", queue], threads) for _ in range(processes)]
