"""Keeps the fork server, the processes of the queues, the reconciler and the senders of webhooks running."""

from __future__ import annotations

import socket

from latentaug.runtime.processes import ModuleProcess, stop, told_to_stop
from latentaug.runtime.settings import Settings
from worker.reconciler import start_reconciling
from worker.webhooks import start_senders

POLL = 0.2
"""Seconds between two looks at the processes."""


def supervise(settings: Settings) -> None:
    """Serve all queues until SIGTERM or SIGINT; jobs that are running then go back to their queues."""
    end = told_to_stop()
    requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # for as long as this lives, whoever else dies
    asking, answering = (end.fileno() for end in requests)
    fork_server = ModuleProcess(["worker.fork_server", str(answering)], {}, inherits=[answering])
    queues = [
        ModuleProcess(["worker", "--queue", queue, "--requests", str(asking)], {}, inherits=[asking])
        for queue in settings.queues
        for _ in range(settings.processes(queue))
    ]
    start_reconciling(end, settings)
    start_senders(end, settings)
    while not end.is_set():
        for process in (fork_server, *queues):
            process.keep_running()
        end.wait(POLL)
    stop(queues, max(1.0, 0.8 * settings.drain_seconds))  # first, or they would take their jobs to have died
    stop([fork_server], 1.0)
