"""Health, readiness and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from latentaug.errors import LatentaugError, NotStored, Unavailable
from service.api.access import MayWatch
from service.api.context import Context, FromContext
from service.api.http import contract
from service.api.metrics import JobFigures

router = APIRouter(tags=["system"])

PROBE_SECONDS = 2.0
"""Seconds within which each part must answer."""


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer 200 as long as this process answers, even if Redis, the store or the model server do not."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: contract.problems(503)[503]})
async def readyz(context: FromContext) -> dict[str, str]:
    """Answer 200 while Redis, the store and a model server work, else 503 with the names of those that do not.

    Where only some of several model servers work, the answer says how many are missing. Whether the store can be
    written to is tried by writing, at most every few seconds.
    """
    probes = {
        "redis": _fault(context.on_probe(context.jobs.ping)),
        "store": context.store_probe.fault(lambda: _fault(context.on_probe(context.store.probe))),
        "model server": _fault(_model_servers(context)),
    }
    faults = dict(zip(probes, await asyncio.gather(*probes.values()), strict=True))
    silent = [name for name, fault in faults.items() if fault == ""]
    told = [f"there is no answer from: {', '.join(silent)}"] if silent else []
    told += [f"{name}: {fault}" for name, fault in faults.items() if fault]
    if told:
        raise Unavailable(f"not ready, as {'; '.join(told)}", retry_after=1)
    servers = context.model_servers
    missing = {"missing": f"{servers.left_out} of {len(servers)} model servers"} if servers.left_out else {}
    return {"status": "ready", **missing}


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[MayWatch],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **contract.problems()},
)
async def metrics(context: FromContext) -> Response:
    """Get metrics for Prometheus: of the API process, of each if there are several, and of jobs and workers."""
    try:
        figures = await context.on_jobs(context.jobs.figures)
    except Unavailable:
        figures = JobFigures()  # nobody else can count them
    processes = await context.siblings.metrics()
    return Response(context.metrics.expose(figures, processes), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/metrics/model-server",
    response_class=Response,
    dependencies=[MayWatch],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **contract.problems(503)},
)
async def model_server_metrics(context: FromContext) -> Response:
    """Get the model server's metrics, for Prometheus cannot ask at its Unix socket; of several, each with its URL."""
    return Response(await context.model_servers.metrics(), media_type=CONTENT_TYPE_LATEST)


async def _model_servers(context: Context) -> None:
    if not await context.model_servers.ready():
        raise Unavailable("the model server is not ready")


async def _fault(question: Awaitable[object]) -> str | None:
    """What is wrong with a part of the service: nothing, or its own words, or "" where it does not answer in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await question
    except NotStored as error:
        return error.detail
    except (LatentaugError, OSError, TimeoutError):
        return ""
    return None
