"""Run the worker, which does the jobs that wait in the queues.

Without an option, `python -m worker` is the supervisor: it starts the processes of each queue and keeps them running.
With `--queue train --requests 5` it is the process that serves that queue. With `--health` it only checks that every
queue has a live process on this host, and exits with 0 if so and 1 if not; the container's health check runs this.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from importlib.util import find_spec

from latentaug.errors import Conflict, LatentaugError
from latentaug.runtime import folders, logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import KINDS
from latentaug.runtime.processes import MISCONFIGURED
from worker.health import unserved
from worker.queue_process import serve
from worker.supervisor import supervise


def main() -> int:
    """Run until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("--queue", choices=KINDS, help="serve this queue only; the supervisor starts such processes")
    parser.add_argument("--requests", type=int, help="the open file by which the fork server is asked for processes")
    parser.add_argument(
        "--health",
        action="store_true",
        help="check that every queue is served on this host: exit with 0 if so, 1 if not",
    )
    arguments = parser.parse_args()
    queue = arguments.queue
    try:
        settings = configuration.load()
        tracing.check(settings)  # here, because a job would fail if only its own process refused them
        if settings.mlflow_uri is not None and find_spec("mlflow") is None:
            raise ValueError("LATENTAUG_MLFLOW_URI needs MLflow: pip install 'latentaug[mlflow]', or unset it")
    except ValueError as error:
        print(error, file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    try:
        if arguments.health:
            return 0 if not unserved(settings) else 1
        if queue:
            with socket.socket(fileno=arguments.requests) as requests:
                serve(queue, requests, settings)
        else:
            folders.check_store(settings)
            supervise(settings)
    except LatentaugError as error:
        logging.getLogger("worker").error("%s", error)
        return MISCONFIGURED if isinstance(error, Conflict) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
