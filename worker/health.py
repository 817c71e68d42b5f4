"""Whether this host's workers are alive, as their registrations in Redis tell."""

from __future__ import annotations

import socket

from rq import Worker

from latentaug.runtime.jobs import answering, connect
from latentaug.runtime.settings import Settings


def unserved(settings: Settings) -> set[str]:
    """The queues of `settings.queues` that no live process on this host serves.

    A registration is renewed at least each minute and expires within two after its process's death.

    Raises:
        Unavailable: Redis does not answer.
    """
    redis = connect(settings)
    with answering():
        workers = Worker.all(connection=redis, serializer="json")
    served = {queue for worker in workers if worker.hostname == socket.gethostname() for queue in worker.queue_names()}
    return {queue for queue in settings.queues if queue not in served}
