"""Whether this host's workers are alive, as their registrations in Redis say."""

from __future__ import annotations

import socket

from latentaug.runtime.jobs import connect
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings


def unserved(settings: Settings) -> set[str]:
    """Return the queues of `settings.queues` that no live process on this host serves.

    Raises:
        Unavailable: Redis does not answer.
    """
    workers = JobQueue(connect(settings), settings).workers(socket.gethostname())
    return {queue for queue in settings.queues if not workers[queue]}
