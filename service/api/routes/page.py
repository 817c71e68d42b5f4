"""The page for people, and the reference of the API, which works offline."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from service import web

router = APIRouter(include_in_schema=False)

_FILES = StaticFiles(directory=web.FOLDER)
_HEADERS = {
    # Nothing but our own files, no inline code, and no other site may frame the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, but asked for again, so that a newer version shows at once
}


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return await _file("index.html", request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Every endpoint, from /openapi.json."""
    return await _file("docs.html", request)


@router.get("/static/{path:path}")
async def static(path: str, request: Request) -> Response:
    """One of the page's files."""
    return await _file(path, request)


async def _file(path: str, request: Request) -> Response:
    response = await _FILES.get_response(path, request.scope)
    response.headers.update(_HEADERS)
    return response
