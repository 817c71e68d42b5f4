"""`python -m worker`: the supervisor; with `--queue train`, the process of that queue.

With `--health`: exit 0 where every queue has a live process on this host, 1 where not; what the container's check runs.
"""

from __future__ import annotations

import argparse
import logging
import sys

from latentaug.errors import LatentaugError
from latentaug.runtime import logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import KINDS
from latentaug.runtime.processes import MISCONFIGURED
from worker.health import unserved
from worker.queue_process import serve
from worker.supervisor import supervise


def main() -> int:
    """Run until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("--queue", choices=KINDS, help="serve one queue only, as the supervisor's child")
    parser.add_argument("--health", action="store_true", help="only say, by the exit status, whether all is well")
    arguments = parser.parse_args()
    queue = arguments.queue
    try:
        settings = configuration.load()
        tracing.check(settings)  # here, for where a job's process refused them the job would fail
    except ValueError as error:
        print(error, file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    try:
        if arguments.health:
            return 0 if not unserved(settings) else 1
        serve(queue, settings) if queue else supervise(settings)
    except LatentaugError as error:
        logging.getLogger("worker").error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
