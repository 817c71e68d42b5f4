"""What a caller sees: the data sets, models and jobs of its tenant. Anything else does not exist for it.

The endpoints reach data sets, models and jobs through `Own` alone, so that this is the one place that tells tenants
apart. Where the service has no tenants, and for who runs it, `Own` holds what belongs to no tenant, and all jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request

from latentaug.datasets import Dataset
from latentaug.errors import Damaged, Newer, NotFound
from latentaug.options import NAME
from latentaug.runtime.jobs import Event, JobRecord, Kind, Status
from latentaug.storage import tenants
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore
from service.api.access import Caller, caller_of
from service.api.context import Context, context_of
from service.api.jobs.submissions import Jobs


@dataclass(frozen=True)
class OwnJobs:
    """The jobs of a caller's tenant; all jobs where the caller has none.

    The methods do and raise what those of the same name in `JobStore` and `Jobs` do and raise. A job of another tenant
    is not found.
    """

    jobs: Jobs
    caller: Caller

    def get(self, job_id: str) -> JobRecord:
        """Read a record. One that cannot be read is nobody's, and so not found by a tenant."""
        try:
            record = self.jobs.store.get(job_id)
        except (Damaged, Newer) as error:
            if self.caller.tenant is None:
                raise
            raise NotFound.named("jobs", job_id) from error
        if self.caller.tenant not in (None, record.tenant):
            raise NotFound.named("jobs", job_id)
        return record

    def events(self, job_id: str, after: str | None) -> list[Event]:
        """Read a job's events after the one with the id `after`."""
        self._check(job_id)
        return self.jobs.store.events(job_id, after)

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a job."""
        self._check(job_id)
        return self.jobs.cancel(job_id)

    def delete(self, job_id: str) -> None:
        """Delete the record and the files of a job that has ended."""
        self._check(job_id)
        self.jobs.delete(job_id)

    def submit(
        self, kind: Kind, params: BaseModel, *, idempotency_key: str | None, reserve: str | None
    ) -> tuple[JobRecord, bool]:
        """Make a job of the caller's tenant."""
        return self.jobs.submit(
            kind,
            params,
            owner=self.caller.owner,
            tenant=self.caller.tenant,
            idempotency_key=idempotency_key,
            reserve=reserve,
        )

    def page(
        self, kind: Kind | None, status: Status | None, limit: int, cursor: str | None
    ) -> tuple[list[JobRecord], str | None]:
        """Read records, newest first, as `JobStore.list` does."""
        return self.jobs.store.list(kind, status, limit, cursor, self.caller.tenant)

    def _check(self, job_id: str) -> None:
        if self.caller.tenant is not None:
            self.get(job_id)


@dataclass(frozen=True)
class Own:
    """What one caller sees.

    Attributes:
        context: what the service works with for all callers.
        caller: who it is.
    """

    context: Context
    caller: Caller

    @property
    def jobs(self) -> OwnJobs:
        """The caller's jobs."""
        return OwnJobs(self.context.jobs, self.caller)

    @property
    def store(self) -> ArtefactStore:
        """The data sets and models that the caller sees, as if there were no others."""
        return tenants.of(self.context.store, self.caller.tenant)

    async def model(self, name: str) -> ModelDescription:
        """Describe a model.

        Raises:
            NotFound: the caller has no such model.
        """
        if not NAME.fullmatch(name):  # it might look like one that is qualified already
            raise NotFound.named("models", name)
        return await self.context.descriptions.get(self.qualified(name))

    async def dataset(self, name: str) -> Dataset:
        """Load a data set.

        Raises:
            NotFound: the caller has no such data set.
        """
        return await self.context.loaded.get(name, self.caller.tenant)

    def path(self, within: str) -> str:
        """The path by which jobs and the ledger know what has the path `within` in `store`."""
        return tenants.path(self.caller.tenant, within)

    def qualified(self, model: str) -> str:
        """The name by which the model server knows a model of the caller."""
        return tenants.qualified(self.caller.tenant, model)

    def forget(self, model: str) -> None:
        """Read a model's description anew the next time."""
        self.context.descriptions.forget(self.qualified(model))


def own_of(request: Request) -> Own:
    """What the caller of this request sees."""
    return Own(context_of(request), caller_of(request))


async def _of_request(request: Request) -> Own:  # async, or FastAPI would call it in a thread
    return own_of(request)


FromOwn = Annotated[Own, Depends(_of_request)]
