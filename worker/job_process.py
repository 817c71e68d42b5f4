"""The process that does one job and then ends, from its first step after the fork server has forked it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs import connect
from worker.queue_process import work_of
from worker.tasks import answered


def main(arguments: Sequence[str]) -> None:
    """Do a job, which ends this process.

    Args:
        arguments: RQ's names of the queue, of the worker that holds the job, of the job and of its execution.
    """
    settings = configuration.load()
    redis = answered(partial(connect, settings, socket_timeout=None))
    work = answered(partial(work_of, redis, *arguments))
    if work is not None:
        work()
