"""What becomes of jobs long after their end: their files go, and then their records, but never those still needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from redis import Redis

from latentaug.errors import Conflict
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key
from latentaug.runtime.jobs.ledger import Ledger
from latentaug.runtime.jobs.reader import JobReader
from latentaug.runtime.jobs.record import JobRecord, is_id
from latentaug.storage.objects import ArtefactStore


class OldJobs(JobReader):
    """Deletes what is old. All methods raise `Away` while Redis or the store does not answer."""

    def __init__(self, redis: Redis, artefacts: ArtefactStore) -> None:
        super().__init__(redis, artefacts)
        self._ledger = Ledger(redis)

    def delete(self, job_id: str) -> None:
        """Delete the record and the files of a job that has ended. A model that it trained stays.

        Raises:
            NotFound: there is no such job.
            Conflict: it has not ended, or an unfinished job names it in `beside`.
        """
        if not self.get(job_id).ended:
            raise Conflict("the job has not ended; cancel it first, or wait for it")
        needing = [other.id for other in self.unfinished() if job_id in _beside(other)]
        if needing:
            raise Conflict(f"job {needing[0]} will show this result beside its own; wait for it or cancel it first")
        self._delete(job_id)

    def delete_ended_before(self, moment: datetime, most: int) -> list[str]:
        """Delete the records and files of jobs that ended before `moment`, the first to end first.

        Jobs that an unfinished one names in `beside` stay, because it will read their results.

        Args:
            moment: jobs that ended before it are old enough.
            most: how many to delete at most, so that the caller is not kept from its other work for long.

        Returns:
            The ids of the deleted jobs.
        """
        chosen = self._unneeded(self._index.ended_before, moment, most)
        for job_id in chosen:
            self._delete(job_id)
        return chosen

    def empty_ended_before(self, moment: datetime, most: int) -> list[str]:
        """Delete the files of jobs that ended before `moment`, and keep their records; otherwise the same."""
        self._index.adopt_emptied()
        chosen = self._unneeded(self._index.full_before, moment, most)
        for job_id in chosen:
            for entry in self._artefacts.entries(f"jobs/{job_id}"):
                if entry.path != f"jobs/{job_id}/record.json":
                    self._artefacts.delete(entry.path)
            self._ledger.erase(f"jobs/{job_id}")
            self._index.empty([job_id])
        return chosen

    def lost(self, names: Iterable[str]) -> list[str]:
        """Those of the folders `jobs/<name>` whose job has no record anywhere, as after Redis was emptied."""
        unknown = self._index.lacks(name for name in names if is_id(name))
        return [job_id for job_id in unknown if not self._artefacts.exists(f"jobs/{job_id}/record.json")]

    def _unneeded(self, before: Callable[[float, int], list[str]], moment: datetime, most: int) -> list[str]:
        """The first of the jobs that ended `before` a moment, without those that an unfinished job will read."""
        second = moment.timestamp()
        if not before(second, 1):
            return []
        needed = {other for record in self.unfinished() for other in _beside(record)}
        return [job_id for job_id in before(second, most + len(needed)) if job_id not in needed][:most]

    def _delete(self, job_id: str) -> None:
        """Delete an ended job: its record first, and its place in the index last, so that a failure is tried again."""
        with answering():
            self._redis.delete(key("job", job_id), key("events", job_id))
        self._artefacts.delete(f"jobs/{job_id}/record.json")
        self._artefacts.delete_folder(f"jobs/{job_id}")
        self._ledger.erase(f"jobs/{job_id}")
        self._index.drop(job_id)


def _beside(record: JobRecord) -> list[str]:
    """The ids of the jobs whose results are shown beside a job's own."""
    named = record.params.get("beside")
    return [str(job_id) for job_id in named] if isinstance(named, list) else []
