"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from latentaug.errors import LatentaugError, Unavailable
from service.api.access import AnyKey
from service.api.context import Context, FromContext
from service.api.http import contract
from service.api.metrics import JobFigures

router = APIRouter(tags=["system"])

PROBE_SECONDS = 2.0


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while this process answers, whatever the state of what stands behind it."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: contract.problems(503)[503]})
async def readyz(context: FromContext) -> dict[str, str]:
    """200 while Redis, the store and the model server answer; else 503 that names those that do not."""
    probes = {
        "redis": _probe(context.on_jobs(context.jobs.ping)),
        "store": _probe(context.on_jobs(lambda: context.store.exists("models"))),
        "model server": _probe(_model_server(context)),
    }
    answers = await asyncio.gather(*probes.values())
    if silent := [name for name, answers_well in zip(probes, answers, strict=True) if not answers_well]:
        raise Unavailable(f"not ready: {', '.join(silent)} not answering", retry_after=1)
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[AnyKey],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **contract.problems()},
)
async def metrics(context: FromContext) -> Response:
    """Metrics of the API process, and of jobs and workers as Redis knows them, for Prometheus."""
    try:
        figures = await context.on_jobs(context.jobs.figures)
    except Unavailable:
        figures = JobFigures()  # without Redis nobody can count them
    return Response(context.metrics.expose(figures), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/metrics/model-server",
    response_class=Response,
    dependencies=[AnyKey],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **contract.problems(503)},
)
async def model_server_metrics(context: FromContext) -> Response:
    """Metrics of the model server, for Prometheus, which cannot ask at its Unix socket."""
    return Response(await context.model_server.metrics(), media_type=CONTENT_TYPE_LATEST)


async def _model_server(context: Context) -> None:
    if not await context.model_server.ready():
        raise Unavailable("the model server is not ready")


async def _probe(question: Awaitable[object]) -> bool:
    """Whether a part answers in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await question
    except (LatentaugError, OSError, TimeoutError):
        return False
    return True
