"""What a task is given: its record, a place for its files, and a way to report how far it has come."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from latentaug.errors import Away, Cancelled, NotFound, NotStored
from latentaug.runtime.jobs import Attempts, JobError, JobRecord, Json
from latentaug.runtime.settings import Settings
from latentaug.storage import tenants
from latentaug.storage.objects import ArtefactStore

REPORT_EVERY = 1.0
"""Seconds between two reports that only move the progress on."""
KEEP_EVERY = 20.0
"""Seconds between two writes of what a later attempt would start from."""

_log = logging.getLogger(__name__)


class Failed(Exception):
    """The job has failed for a reason that its sub-jobs give.

    Args:
        error: what its record will say.
    """

    def __init__(self, error: JobError) -> None:
        super().__init__(error.detail)
        self.error = error


class Work:
    """One attempt at a job, or at a sub-job, whose files are those of its job.

    Attributes:
        record: the job, as it was claimed.
        artefacts: the store of the data sets and models of the job's tenant.
        settings: the settings of this process.
    """

    def __init__(self, record: JobRecord, attempts: Attempts, artefacts: ArtefactStore, settings: Settings) -> None:
        self.record = record
        self.artefacts = tenants.of(artefacts, record.tenant)
        self._files = artefacts
        self.settings = settings
        self._attempts = attempts
        self._reported = 0.0
        self._kept = time.monotonic()

    def report(
        self,
        fraction: float,
        stage: str,
        eta_seconds: float | None = None,
        metrics: Json | None = None,
        *,
        final: bool = False,
    ) -> None:
        """Report how far the job has come: at most once a second, but always with `metrics` or where `final`.

        Raises:
            Cancelled: the job was cancelled or another attempt has begun.
        """
        now = time.monotonic()
        if metrics is None and not final and now - self._reported < REPORT_EVERY:
            return
        self._reported = now
        try:
            ours = self._attempts.progress(self.record.id, self.record.attempt, fraction, stage, eta_seconds, metrics)
        except Away as error:  # progress is not worth a failure
            _log.warning("progress could not be reported: %s", error)
            return
        if not ours:
            raise Cancelled

    def count(self, **done: float) -> None:
        """Add to the counts of what all workers have done, under the names that the API's metrics know."""
        try:
            self._attempts.count(self.record.kind, **done)
        except Away as error:  # neither is this
            _log.warning("work could not be counted: %s", error)

    def fan_out(self, sub_jobs: Mapping[str, BaseModel], low: float, high: float) -> None:
        """Split the job into sub-jobs, which take its progress from `low` to `high`.

        Args:
            sub_jobs: the parameters of each sub-job, by its name.
            low: the job's progress now, 0..1.
            high: its progress once all sub-jobs have ended, 0..1.

        Raises:
            Cancelled: the job was cancelled or another attempt has begun.
        """
        plain = {name: task.model_dump(mode="json") for name, task in sub_jobs.items()}
        if not self._attempts.fan_out(self.record.id, self.record.attempt, plain, low, high):
            raise Cancelled

    def sub_jobs(self) -> list[JobRecord]:
        """Read the records of the job's sub-jobs, all ended, by id."""
        return self._attempts.sub_jobs(self.record.id, "succeeded", "failed")

    def put(self, file: str, data: bytes | str) -> None:
        """Write one of the job's files."""
        self._files.put(f"{self._folder}/{file}", data.encode() if isinstance(data, str) else data)

    def put_pieces(self, file: str, pieces: Iterator[bytes]) -> None:
        """Write one of the job's files piece by piece."""
        self._files.put_pieces(f"{self._folder}/{file}", pieces)

    def put_json(self, file: str, value: object) -> None:
        """Write one of the job's files as JSON."""
        self.put(file, json.dumps(value, indent=1, allow_nan=False))

    def result_of(self, job_id: str) -> Any:
        """Read the result of another job, whose id the caller's own may name.

        Raises:
            NotFound: it has none, or no longer.
        """
        return json.loads(self._files.get(f"jobs/{job_id}/result.json"))

    def recall(self, name: str) -> bytes | None:
        """Read what an earlier attempt kept under `name`; None where there is nothing."""
        try:
            return self._files.get(self._kept_path(name))
        except NotFound:
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Keep `data` for a later attempt, until the job ends."""
        self._files.put(self._kept_path(name), data)

    def keep_now_and_then(self, name: str, make: Callable[[], bytes]) -> None:
        """Keep what `make` returns for a later attempt, if the last time was at least `KEEP_EVERY` seconds ago."""
        if time.monotonic() - self._kept < KEEP_EVERY:
            return
        try:
            self.keep(name, make())
        except (NotStored, Away) as error:  # there may be room, or a store, by the time the job ends
            _log.warning("nothing could be kept for a later attempt: %s", error)
        self._kept = time.monotonic()

    def _kept_path(self, name: str) -> str:
        return f"{self._folder}/kept/{name}"

    @property
    def _folder(self) -> str:
        return f"jobs/{self.record.parent or self.record.id}"
