"""The records of jobs that have ended, deleted before their time."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from service.api.access import MayAdminister
from service.api.context import FromContext
from service.api.http import contract
from service.api.http.options import NoOptions
from service.api.own import FromOwn

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.delete(
    "/{job}/record",
    status_code=204,
    response_class=Response,
    dependencies=[MayAdminister, NoOptions],
    responses=contract.problems(404, 409, 503),
)
async def delete_job(job: str, context: FromContext, own: FromOwn) -> Response:
    """Delete the record and the files of a job that has ended. A model that it trained stays."""
    await context.on_jobs(lambda: own.jobs.delete(job))
    return Response(status_code=204)
