"""Shows on standard error how far a command has come; standard output is for results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from latentaug_client import Job, JobFailed
from latentaug_client.jobs import LIVING, POLL_SECONDS
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


def warn(warnings: Sequence[str], to: Console = console) -> None:
    """Say what is to be known before anything is made."""
    for warning in warnings:
        to.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def show(job: Job, *, first: bool = False) -> None:
    """Show a progress bar until a job has succeeded. Ctrl+C or a signal ends the wait and not the job.

    Args:
        job: to wait for.
        first: whether the command does something with what the job makes; typed again, it goes on from there.

    Raises:
        JobFailed: it failed or was cancelled.
    """
    try:
        if job.status in LIVING:
            _follow(job)
    except (KeyboardInterrupt, SystemExit):
        follow = "To follow it" if job.record["kind"] == "train" else "To follow it and keep what it makes"
        keep = "" if job.record["kind"] == "train" else " --out FOLDER"
        again = "To wait for it and then go on, type the same command again.\n" if first else ""
        console.print(
            f"The {job.record['kind']} job {job.id} was not cancelled: it goes on as long as a service runs.\n"
            f"{again}{follow}, type: latentaug jobs {job.id}{keep}\n"
            f"To stop it, type: latentaug jobs --cancel {job.id}",
            highlight=False,
            soft_wrap=True,
        )
        raise
    if job.status != "succeeded":
        raise JobFailed(job.record)


@contextmanager
def status(doing: str, to: Console = console) -> Iterator[None]:
    """Say what takes a while: on a terminal until it is done, elsewhere as a line, so that nobody waits for nothing."""
    if not to.is_terminal:
        to.print(f"{doing} ...", highlight=False, markup=False, soft_wrap=True)
    with to.status(escape(doing)):
        yield


def bar() -> Progress:
    """Return an empty display that shows a progress bar for each task that is added to it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        console=console,
    )


def _follow(job: Job) -> None:
    with bar() as shown:
        task = shown.add_task(job.record["kind"], total=1.0)
        while job.status in LIVING:
            progress: dict[str, Any] = job.record["progress"]
            shown.update(task, completed=progress["fraction"], description=_doing(job.record["kind"], progress))
            time.sleep(POLL_SECONDS)
            job.refresh()
        if job.status == "succeeded":
            shown.update(task, completed=1.0, description=job.record["kind"])


def _doing(kind: str, progress: Mapping[str, Any]) -> str:
    """What a job does, and how long it is likely to go on if that is known."""
    left = progress["eta_seconds"]
    return f"{kind}: {progress['stage']}" + (f", {left:.0f} s left" if left else "")
