"""How far a command is, as a bar on standard error; standard output is for results."""

from __future__ import annotations

import time
from typing import Any

from latentaug_client import Job, JobFailed
from latentaug_client.jobs import LIVING, POLL_SECONDS
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


def show(job: Job) -> None:
    """Wait for a job behind a progress bar; Ctrl+C leaves it running.

    Raises:
        JobFailed: it failed or was cancelled.
    """
    with bar() as shown:
        task = shown.add_task(job.record["kind"], total=1.0)
        while job.status in LIVING:
            progress: dict[str, Any] = job.record["progress"]
            shown.update(task, completed=progress["fraction"], description=f"{job.record['kind']}: {progress['stage']}")
            time.sleep(POLL_SECONDS)
            job.refresh()
        shown.update(task, completed=1.0)
    if job.status != "succeeded":
        raise JobFailed(job.record)


def bar() -> Progress:
    """A bar of a command's tasks."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        console=console,
    )
