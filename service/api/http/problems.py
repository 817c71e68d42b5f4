"""Every error becomes one `application/problem+json` answer (RFC 9457)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from latentaug.errors import Damaged, LatentaugError, Newer, NotFound
from service.api.http import options
from service.api.http.media import PROBLEM
from service.asgi.failures import let_go

_log = logging.getLogger("latentaug.api")
_Handler = Callable[[Request, Exception], Awaitable[Response]]

CLIENT_CLOSED_REQUEST = 499
"""The status, in logs and metrics, of a request whose caller left before the answer; nobody receives it."""


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    fields: Sequence[tuple[str, str]] = (),
    missing: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make an answer that is a problem document.

    Args:
        status: its HTTP status.
        code: names the kind of problem, for programs.
        title: names it for people.
        detail: what is wrong and what to do next.
        fields: pairs of (location, message) where single fields are at fault.
        missing: where what is missing would be listed, and its name, so that callers need not show a path of HTTP.
        headers: further HTTP headers.
    """
    document: dict[str, Any] = {
        "type": f"urn:latentaug:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if fields:
        document["errors"] = [{"loc": location, "msg": message} for location, message in fields]
    if missing:
        document["missing"] = {"list": missing[0], "name": missing[1]}
    # ASCII only, so that no caller's stray surrogate can break the answer.
    return Response(json.dumps(document).encode(), status, dict(headers or {}), PROBLEM)


def of_error(error: LatentaugError) -> Response:
    """Return the problem document of an error from our own tree."""
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="latentaug"'
    if error.status == HTTPStatus.REQUEST_TIMEOUT:
        headers["Connection"] = "close"  # the rest of the body may still come, and is no request
    if error.retry_after is not None or error.status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 1)))
    detail, missing = error.detail, error.missing if isinstance(error, NotFound) else None
    if missing:
        detail += f"; GET /v1/{missing[0]} lists what there is"
    return problem(error.status, error.code, error.title, detail, fields=error.fields, missing=missing, headers=headers)


def unexpected() -> Response:
    """Return the answer to a fault of our own; only the log says what it was."""
    return problem(
        500,
        LatentaugError.code,
        LatentaugError.title,
        "the service has made a mistake of its own; report it with the X-Request-ID of this answer",
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [_field(entry, request.scope["endpoint"]) for entry in error.errors()]
    return of_error(options.invalid(fields))


def _field(entry: ErrorDetails, endpoint: Callable[..., Any]) -> tuple[str, str]:
    """The place and the message of a fault that FastAPI found, in the words used where we check a schema ourselves."""
    part, *place = entry["loc"]
    if part in ("body", "query"):
        within: ErrorDetails = {**entry, "loc": tuple(place)}
        return options.field(_schema(endpoint), within)
    name = ".".join(str(each) for each in place)
    if entry["type"] == "string_pattern_mismatch":  # the pattern is for programs, which find it in /openapi.json
        return name, "is too long or holds characters that are not allowed; /openapi.json says what is allowed"
    return name, str(entry["msg"])


def _schema(endpoint: Callable[..., Any]) -> type[BaseModel]:
    """The schema that an endpoint takes, as its body or as its query string; it takes one only."""
    hints = get_type_hints(endpoint)
    del hints["return"]
    return next(hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, BaseModel))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    detail, headers = str(error.detail), dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path[:200]}; GET /openapi.json lists the endpoints"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.method} is not possible on {request.url.path[:200]}; use {headers['Allow']}"
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return problem(status, code, status.phrase, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes of a path; Starlette itself lists those of the first route only."""

    def possible(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "HEAD", "POST", "DELETE") if possible(method)]


async def _own(_: Request, error: Exception) -> Response:
    assert isinstance(error, LatentaugError)  # noqa: S101  narrows what Starlette types as Exception
    # The caller reads what to do; the log says why, to whoever runs the service.
    if isinstance(error, Damaged | Newer):
        _log.warning("%s", error.detail)
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.__cause__ is not None:
        _log.warning("%s: %s", error.code, error.__cause__)
    return of_error(error)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _unexpected(_: Request, __: Exception) -> Response:
    return unexpected()


def _expected(answer: _Handler) -> _Handler:
    """Answer an error that is no fault of our own, and free what the request had in memory."""

    async def answered(request: Request, error: Exception) -> Response:
        response = await answer(request, error)
        let_go(error)
        return response

    return answered


HANDLERS: dict[Any, _Handler] = {
    LatentaugError: _expected(_own),
    RequestValidationError: _expected(_invalid),
    HTTPException: _expected(_http),
    ClientDisconnect: _expected(_gone),
    Exception: _unexpected,
}
"""What answers each kind of error. All are coroutines, because Starlette would call plain functions in a thread."""
