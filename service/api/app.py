"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from latentaug import addresses
from latentaug.runtime import tracing
from latentaug.runtime.settings import Settings, listed
from latentaug.storage.objects import ArtefactStore
from service.api import keys
from service.api.audit import AuditLog
from service.api.compute.descriptions import Descriptions
from service.api.compute.joining import Joiner
from service.api.compute.servers import ModelServers
from service.api.context import Context
from service.api.http import contract, problems
from service.api.http.head import HeadAsGet
from service.api.http.holding import Holding
from service.api.http.quotas import Quotas
from service.api.http.request_log import RequestLog
from service.api.http.sites import OwnPages
from service.api.jobs.submissions import Jobs
from service.api.loaded import LoadedDatasets
from service.api.metrics import Metrics, RequestMetrics
from service.api.routes import (
    datasets,
    inference,
    jobs,
    labelling,
    models,
    page,
    quality,
    records,
    results,
    shards,
    system,
)
from service.api.routes.plain import DocumentedApp
from service.api.siblings import Siblings
from service.asgi.endpoint import WARNINGS_HEADER
from service.asgi.proxies import Forwarded, UnderPrefix
from service.asgi.traced import Traced

DESCRIPTION = """\
Train a variational autoencoder on images without labels. Make new training images from few labelled ones in its latent
space by noise, interpolation or extrapolation. Measure whether they help. Every error is `application/problem+json`.
"""

_PLAIN = (*inference.ENDPOINTS, *labelling.ENDPOINTS, *quality.ENDPOINTS)
"""The endpoints that parse their own bodies, in front of FastAPI's application."""

# What pages of other sites may send beside what browsers always let them, and what they may read.
_SENT_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Request-ID",
    "X-Request-Timeout",
]
_ANSWER_HEADERS = [
    "Location",
    "Retry-After",
    "X-Request-ID",
    "Idempotent-Replayed",
    "Augment-Advice",
    "Augment-Decode",
    "Augment-Tally",
    WARNINGS_HEADER,
]


class State(TypedDict):
    """What every request finds in its state."""

    context: Context


def create_app(settings: Settings, own: Path | None = None) -> ASGIApp:
    """Make the application. It connects to Redis and to the model server when it first needs them, and starts without.

    Args:
        settings: of this process.
        own: as `Siblings` takes it.

    Raises:
        ValueError: the keys or the rates cannot be read, or the file of the audit log cannot be written.
    """
    known = keys.load(settings)
    quotas = Quotas(settings)
    metrics = Metrics()
    siblings = Siblings(own)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        store = ArtefactStore(settings.resolved_store_url)
        model_servers = ModelServers(settings.model_server_urls)
        metrics.model_servers_left_out.set_function(lambda: model_servers.left_out)
        queue = Jobs(settings, store)
        try:
            async with siblings.told(metrics.own):
                yield {
                    "context": Context(
                        settings=settings,
                        store=store,
                        descriptions=Descriptions(store),
                        loaded=LoadedDatasets(store, settings),
                        model_servers=model_servers,
                        joiner=Joiner(model_servers, settings.max_images),
                        jobs=queue,
                        keys=known,
                        quotas=quotas,
                        holding=Holding(settings.max_held_bytes),
                        metrics=metrics,
                        siblings=siblings,
                    )
                }
        finally:
            await model_servers.close()
            queue.close()
            tracing.shutdown()

    plain = [endpoint.route for endpoint in _PLAIN]
    front = Starlette(routes=plain, exception_handlers=problems.HANDLERS, lifespan=lifespan)
    front.router.default = HeadAsGet(AuditLog(_documented(), settings.audit_file))  # the plain endpoints change nothing
    served: ASGIApp = OwnPages(front, settings) if known.open else front
    served = Traced(served)
    if settings.cors_origins is not None:
        served = _for_other_sites(served, settings.cors_origins)
    served = RequestLog(served)  # around the trace, which shows the request's id
    served = RequestMetrics(served, metrics=metrics)  # around what RequestLog answers, to count it
    return _behind_proxies(served, settings)


def _documented() -> DocumentedApp:
    """All endpoints but the plain ones, and the description of both."""
    app = DocumentedApp(
        _PLAIN,
        title="latentaug",
        version="1",
        description=DESCRIPTION,
        exception_handlers=problems.HANDLERS,
        docs_url=None,  # FastAPI's own pages load their scripts from the internet
        redoc_url=None,
        generate_unique_id_function=contract.operation_id,
    )
    for module in (models, datasets, shards, jobs, results, records, system, page):
        app.include_router(module.router)
    return app


def _for_other_sites(served: ASGIApp, origins: str) -> ASGIApp:
    """Let pages of these sites call from a browser. A key is sent as a header, so no cookie is ever wanted."""
    return CORSMiddleware(
        served,
        allow_origins=listed(origins),
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=_SENT_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )


def _behind_proxies(served: ASGIApp, settings: Settings) -> ASGIApp:
    """Believe what trusted proxies say of a request. The prefix comes first: then the caller's address is replaced."""
    trusted = addresses.networks(settings.trusted_proxies or "")
    named = ProxyHeadersMiddleware(served, [str(network) for network in trusted])  # type: ignore[arg-type]
    believing = Forwarded(named, served)  # type: ignore[arg-type]
    return UnderPrefix(believing, settings.root_path or "", trusted)
