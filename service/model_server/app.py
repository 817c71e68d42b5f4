"""The endpoints of the Open Inference Protocol: health, metadata, inference, statistics and the model repository."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from latentaug.errors import LatentaugError, MalformedInput, NotFound
from latentaug.runtime import logs, tracing
from service.asgi.endpoint import Endpoint
from service.asgi.failures import let_go
from service.asgi.traced import Traced
from service.model_server import specs
from service.model_server.serving import CLIENT_GONE, Serving, read_body
from service.model_server.specs import OPERATIONS

EXTENSIONS = ["binary_tensor_data", "model_repository", "schedule_policy", "statistics"]
MAX_CONTROL_BYTES = 2**16


def create_app(serving: Serving) -> Starlette:
    """Make the model server's application, which starts and stops the engine's thread."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        serving.batcher.start()
        yield
        serving.aside.close()
        serving.batcher.stop()
        tracing.shutdown()

    endpoints = Endpoints(serving)
    paths = ("/v2/models/{model}/versions/{version}", "/v2/models/{model}")
    routes = [
        # These come first, because most requests are for them.
        *(Route(f"{path}/infer", Endpoint(serving.infer), methods=["POST"]) for path in paths),
        Route("/v2", endpoints.server),
        Route("/v2/health/live", endpoints.live),
        Route("/v2/health/ready", endpoints.ready),
        Route("/v2/models", endpoints.models),
        Route("/v2/models/stats", endpoints.statistics),
        Route("/v2/repository/index", endpoints.index, methods=["POST"]),
        Route("/v2/repository/models/{model}/load", endpoints.load, methods=["POST"]),
        Route("/v2/repository/models/{model}/unload", endpoints.unload, methods=["POST"]),
        Route("/metrics", endpoints.metrics),
    ]
    for path in paths:
        routes += [
            Route(path, endpoints.model),
            Route(f"{path}/ready", endpoints.model_ready),
            Route(f"{path}/stats", endpoints.statistics),
        ]
    handlers: dict[Any, Callable[..., Any]] = {
        LatentaugError: refused,
        HTTPException: http_error,
        ClientDisconnect: client_gone,
        Exception: failed,
    }
    middleware = [Middleware(Named), *([Middleware(Traced)] if tracing.active() else [])]
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan, middleware=middleware)


class Named:
    """ASGI middleware: the logs of a request show the `X-Request-ID` that the API sent with it.

    The id is not unset at the end: each request is a task with a context of its own, in which uvicorn logs failures.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            logs.request_id.set(Headers(scope=scope).get("x-request-id"))
        await self._app(scope, receive, send)


class Endpoints:
    """All endpoints except inference."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._repository = serving.repository

    async def server(self, _: Request) -> Response:
        """Describe the server."""
        return JSONResponse({"name": "latentaug", "version": version("latentaug"), "extensions": EXTENSIONS})

    async def live(self, _: Request) -> Response:
        """Tell that the process answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Tell whether requests are taken; 503 while draining or without an engine."""
        ready = self._serving.ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def models(self, _: Request) -> Response:
        """List the names of all models that can be used."""
        names = await self._repository.names()
        return JSONResponse({"models": [f"{name}.{operation}" for name in names for operation in OPERATIONS]})

    async def model(self, request: Request) -> Response:
        """Describe a model's tensors."""
        name, operation = specs.parse_name(request.path_params["model"])
        description = await self._repository.describe(name, request.path_params.get("version"))
        return JSONResponse(specs.metadata(description, operation))

    async def model_ready(self, request: Request) -> Response:
        """Tell whether a model is in memory; its first request loads one that is not."""
        name, _ = specs.parse_name(request.path_params["model"])
        description = await self._repository.describe(name, request.path_params.get("version"))
        held = self._repository.loaded(name)
        ready = held is not None and held.description.version == description.version and self._serving.ready
        return JSONResponse({"name": request.path_params["model"], "ready": ready}, 200 if ready else 503)

    async def statistics(self, request: Request) -> Response:
        """Give the statistics of one model, or of all that have been used since they were loaded."""
        wanted, wanted_version = request.path_params.get("model"), request.path_params.get("version")
        if wanted is not None:
            await self._repository.describe(specs.parse_name(wanted)[0], wanted_version)
        found = [
            statistics.to_json(name, model_version)
            for (name, model_version), statistics in sorted(self._serving.metrics.statistics.items())
            if wanted in (None, name) and wanted_version in (None, model_version)
        ]
        return JSONResponse({"model_stats": found})

    async def metrics(self, _: Request) -> Response:
        """Give the metrics for Prometheus."""
        return Response(generate_latest(self._serving.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def index(self, request: Request) -> Response:
        """List all models and whether they are in memory."""
        only_ready = (await control(request)).get("ready", False) is True
        entries = []
        for name in await self._repository.names():
            held = self._repository.loaded(name)
            if held is None and only_ready:
                continue
            state = {"state": "READY", "reason": ""} if held else {"state": "UNAVAILABLE", "reason": "not in memory"}
            known = {"version": held.description.version} if held else {}
            entries += [{"name": f"{name}.{operation}", **known, **state} for operation in OPERATIONS]
        return JSONResponse(entries)

    async def load(self, request: Request) -> Response:
        """Load or reload a model from the artefact store, never from the request."""
        if (await control(request)).get("parameters"):
            raise MalformedInput("load takes no parameters, as models come from the artefact store only")
        await self._repository.load(base_name(request.path_params["model"]))
        return Response()

    async def unload(self, request: Request) -> Response:
        """Drop a model and all that was counted for it. Requests in flight are still answered with it."""
        await control(request)
        name = base_name(request.path_params["model"])
        self._serving.metrics.forget(name, self._repository.loaded(name))
        self._repository.unload(name)
        return Response()


def base_name(name: str) -> str:
    """Return the model's name in `<model>` or `<model>.<operation>`; a model is loaded with all its operations."""
    try:
        return specs.parse_name(name)[0]
    except NotFound:
        return name


async def control(request: Request) -> dict[str, Any]:
    """Read a body that is a small JSON object, or empty.

    Raises:
        MalformedInput: it is something else.
        TooLarge: it has more than 64 KiB.
    """
    try:
        body = json.loads(bytes(await read_body(request, MAX_CONTROL_BYTES)) or b"{}")
    except (ValueError, RecursionError) as error:
        raise MalformedInput("the body must be a JSON object, or empty") from error
    if not isinstance(body, dict):
        raise MalformedInput("the body must be a JSON object, or empty")
    return body


async def refused(_: Request, error: LatentaugError) -> Response:
    """Answer an error of our tree as the error object of the Open Inference Protocol, with its code and fields."""
    body: dict[str, Any] = {"error": error.detail, "code": error.code}
    if error.fields:
        body["fields"] = error.fields
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else None
    let_go(error)
    return JSONResponse(body, error.status, headers)


async def http_error(_: Request, error: HTTPException) -> Response:
    """Answer that there is no such path, or that it does not take this method."""
    code = "not_found" if error.status_code == 404 else "method_not_allowed"
    return JSONResponse({"error": error.detail, "code": code}, error.status_code, error.headers)


async def client_gone(_: Request, __: ClientDisconnect) -> Response:
    """Answer a caller that has left; only the metrics show it."""
    return Response(status_code=CLIENT_GONE)


async def failed(_: Request, __: Exception) -> Response:
    """Answer a fault of our own; only the log says what it was."""
    return JSONResponse({"error": "internal error; see the model server's log", "code": "internal_error"}, 500)
