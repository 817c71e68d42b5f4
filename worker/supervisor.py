"""Keeps the processes of each queue, the reconciler and the senders of webhooks running until told to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from latentaug.runtime.processes import ModuleProcess, stop
from latentaug.runtime.settings import Settings
from worker.reconciler import reconcile_until
from worker.webhooks import start_senders

POLL = 0.2
"""Seconds between two looks at the processes."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def supervise(settings: Settings) -> None:
    """Serve all queues until SIGTERM or SIGINT; jobs that are running then go back to their queues."""
    told_to_stop = threading.Event()

    def tell(signal_number: int, frame: FrameType | None) -> None:
        told_to_stop.set()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    processes = [process for queue in settings.queues for process in _serving(queue, settings)]
    threading.Thread(target=reconcile_until, args=(told_to_stop, settings), name="reconciler", daemon=True).start()
    start_senders(told_to_stop, settings)
    while not told_to_stop.is_set():
        for process in processes:
            process.keep_running()
        told_to_stop.wait(POLL)
    stop(processes, max(1.0, 0.8 * settings.drain_seconds))


def _serving(queue: str, settings: Settings) -> list[ModuleProcess]:
    """The processes of one queue, which share the threads that a single one would have."""
    count = settings.evaluate_processes if queue == "evaluate" else 1
    threads = dict.fromkeys(_THREAD_VARIABLES, str(max(1, settings.threads // count)))
    return [ModuleProcess(["worker", "--queue", queue], threads) for _ in range(count)]
