"""The jobs of a service, once for code that waits and once for code that awaits."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from latentaug_client import calls, errors
from latentaug_client.calls import Record
from latentaug_client.connection import AsyncConnection, Connection
from latentaug_client.events import Event

LIVING = {"queued", "running"}
POLL_SECONDS = 0.5


class Job:
    """A job of a service.

    Attributes:
        record: what the service said about it when it was last asked.
    """

    def __init__(self, connection: Connection, record: Record) -> None:
        self._connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """The job's id."""
        return str(self.record["id"])

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled, as of the last `record`."""
        return str(self.record["status"])

    def refresh(self) -> Self:
        """Ask the service about the job again."""
        self.record = self._connection.send(calls.job(self.id))
        return self

    def wait(self, *, progress: bool = False, timeout: float | None = None) -> Self:
        """Wait until the job has succeeded.

        Args:
            progress: whether to print its progress on standard error.
            timeout: most seconds to wait; None for no limit.

        Raises:
            JobFailed: it failed or was cancelled.
            TimeoutError: it has not ended in time. The job goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        shown = ""
        while True:
            if progress and (line := _progress_line(self.record)) != shown:
                shown = line
                print(line, file=sys.stderr, flush=True)
            if self.status not in LIVING:
                break
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {self.id} is still {self.status} after {timeout:g} s; it goes on")
            time.sleep(POLL_SECONDS)
            self.refresh()
        if self.status != "succeeded":
            raise errors.JobFailed(self.record)
        return self

    def cancel(self) -> Self:
        """Stop the job."""
        self.record = self._connection.send(calls.cancel(self.id))
        return self

    def result(
        self, form: str = "json", *, figure: str | None = None, layout: str | None = None, shard: int | None = None
    ) -> bytes:
        """The job's result.

        Args:
            form: `json`; and depending on the kind of job `csv`, `markdown`, `png`, `npz` or `zip`.
            figure: name of one of an evaluation's figures, which comes as PNG whatever the form.
            layout: the images of an augment or label job as other tools read them, whatever the form: `huggingface`,
                a parquet file; `webdataset`, a tar; `yolo`, a zip of the folders `train`, `val` and `test`.
            shard: which of several files, where a label job's images are too many for one: 0 up to the `shards` that
                the job's record has in `result`.
        """
        return self._connection.send(calls.result(self.id, "png" if figure else form, figure, layout, shard))

    def events(self) -> Iterator[Event]:
        """All events of the job, as they come, until it ends. A broken connection is resumed where it broke."""
        after: str | None = None
        broken = 0
        while True:
            try:
                for event in self._connection.stream(calls.events(self.id, after)):
                    after, broken = event.id, 0
                    yield event
                    if event.type == "end":
                        return
            except errors.Unreachable:
                broken += 1
                if broken >= self._connection.retries.attempts:
                    raise
            time.sleep(POLL_SECONDS)


class AsyncJob:
    """A job, as `Job`, whose methods are awaited.

    Attributes:
        record: what the service said about it when it was last asked.
    """

    def __init__(self, connection: AsyncConnection, record: Record) -> None:
        self._connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """The job's id."""
        return str(self.record["id"])

    @property
    def status(self) -> str:
        """As `Job.status`."""
        return str(self.record["status"])

    async def refresh(self) -> Self:
        """As `Job.refresh`."""
        self.record = await self._connection.send(calls.job(self.id))
        return self

    async def wait(self, *, progress: bool = False, timeout: float | None = None) -> Self:
        """As `Job.wait`."""
        end = None if timeout is None else time.monotonic() + timeout
        shown = ""
        while True:
            if progress and (line := _progress_line(self.record)) != shown:
                shown = line
                print(line, file=sys.stderr, flush=True)
            if self.status not in LIVING:
                break
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {self.id} is still {self.status} after {timeout:g} s; it goes on")
            await asyncio.sleep(POLL_SECONDS)
            await self.refresh()
        if self.status != "succeeded":
            raise errors.JobFailed(self.record)
        return self

    async def cancel(self) -> Self:
        """As `Job.cancel`."""
        self.record = await self._connection.send(calls.cancel(self.id))
        return self

    async def result(
        self, form: str = "json", *, figure: str | None = None, layout: str | None = None, shard: int | None = None
    ) -> bytes:
        """As `Job.result`."""
        return await self._connection.send(calls.result(self.id, "png" if figure else form, figure, layout, shard))

    async def events(self) -> AsyncIterator[Event]:
        """As `Job.events`."""
        after: str | None = None
        broken = 0
        while True:
            try:
                async for event in self._connection.stream(calls.events(self.id, after)):
                    after, broken = event.id, 0
                    yield event
                    if event.type == "end":
                        return
            except errors.Unreachable:
                broken += 1
                if broken >= self._connection.retries.attempts:
                    raise
            await asyncio.sleep(POLL_SECONDS)


def _progress_line(record: Mapping[str, Any]) -> str:
    """A job's progress in one line."""
    progress = record["progress"]
    left = progress.get("eta_seconds")
    return f"{record['kind']} {record['status']} {100 * progress['fraction']:3.0f} % {progress['stage']}" + (
        f", {left:.0f} s left" if left and record["status"] in LIVING else ""
    )
