"""Jobs done in the test's own process."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from latentaug.options import EvaluateParams
from latentaug.runtime.jobs import Attempts, JobError, JobRecord, Kind
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.tasks import work_through
from worker.work import Work


class Desk:
    """Makes jobs and the `Work` of their attempts."""

    def __init__(self, redis: Redis, jobs: Attempts, artefacts: ArtefactStore, settings: Settings) -> None:
        self.redis, self.jobs, self.artefacts, self.settings = redis, jobs, artefacts, settings

    def start(self, kind: Kind, params: dict[str, Any] | None = None) -> Work:
        record, _ = self.jobs.create(kind, params or {})
        return self.attempt(record.id, 1)

    def attempt(self, job_id: str, attempt: int) -> Work:
        claimed = self.jobs.claim(job_id, attempt)
        assert claimed is not None
        return Work(claimed, self.jobs, self.artefacts, self.settings)

    def evaluate(self, params: EvaluateParams) -> JobRecord:
        """Do a whole evaluate job, sub-jobs and all."""
        work = self.start("evaluate", params.model_dump(mode="json"))
        self.finish(work)
        return self.jobs.get(work.record.id)

    def finish(self, work: Work) -> None:
        """Do the attempt and more of the same job, as a job's process does."""
        work_through(work.record, self.jobs, JobQueue(self.redis, self.settings), self.settings)

    def result(self, record: JobRecord) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.artefacts.get(f"jobs/{record.id}/result.json"))
        return result

    def error(self, record: JobRecord) -> JobError:
        assert record.error is not None
        return record.error

    def again(self, lost: Work | JobRecord) -> Work:
        """The next attempt at what a process has died of."""
        record = lost.record if isinstance(lost, Work) else lost
        again = self.jobs.requeue(record.id, record.attempt)
        assert again is not None
        return self.attempt(again.id, again.attempt)

    def file(self, work: Work, name: str) -> bytes:
        return self.artefacts.get(f"jobs/{work.record.id}/{name}")
