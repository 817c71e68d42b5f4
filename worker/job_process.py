"""`python -m worker.job_process QUEUE WORKER JOB EXECUTION`: the process that does one job and then ends.

RQ would start it with all of its source in the command line, and Redis's password with it, which everybody on the
machine could read. Here the way to Redis comes from the settings, as in every process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import connect
from worker.queue_process import work_of
from worker.tasks import answered


def main(arguments: Sequence[str]) -> None:
    """Do the job, which ends this process."""
    settings = configuration.load()
    redis = answered(partial(connect, settings, socket_timeout=None))
    work = answered(partial(work_of, redis, *arguments))
    if work is not None:
        work()


if __name__ == "__main__":
    main(sys.argv[1:])
