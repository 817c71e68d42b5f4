"""Answers that are too large to be held in memory: they are read, or made, and sent piece by piece."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from latentaug.storage.files import pieces
from service.api.context import Context
from service.api.http import problems

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
Work = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""Has a function called in a thread."""


async def stored(request: Request, context: Context, path: str, form: str) -> Response:
    """Answer with a file of the store, or with the one range of its bytes that the caller asks for (RFC 9110).

    Raises:
        NotFound: nothing is there.
    """
    found = await context.on_store(lambda: context.store.look(path))
    headers = {"Accept-Ranges": "bytes", "ETag": found.tag}
    asked = request.headers.get("range")
    if request.headers.get("if-range", found.tag) != found.tag:
        asked = None  # the caller has a part of another file
    wanted = _range(asked, found.size)
    if wanted is None:
        headers["Content-Range"] = f"bytes */{found.size}"
        detail = f"the file has {found.size} bytes, and none of those in the header Range; leave that out to get all"
        return problems.problem(416, "range_not_satisfiable", "No such bytes", detail, headers=headers)
    start, stop = wanted
    headers["Content-Length"] = str(stop - start)
    status = 200
    if (start, stop) != (0, found.size):
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
        status = 206
    content = _sent(pieces(context.store, path, start, stop), context.on_store)
    return StreamingResponse(content, status, headers, form)


async def made(parts: Iterator[bytes], work: Work, form: str) -> Response:
    """Answer with what is made part by part; what is wrong with the first is raised here, before the answer begins."""
    first = await work(lambda: next(parts, b""))

    async def content() -> AsyncIterator[bytes]:
        yield first
        async for part in _sent(parts, work):
            yield part

    return StreamingResponse(content(), media_type=form)


async def _sent(parts: Iterator[bytes], work: Work) -> AsyncIterator[bytes]:
    while part := await work(lambda: next(parts, b"")):
        yield part


def _range(asked: str | None, size: int) -> tuple[int, int] | None:
    """Where the bytes begin and end that are asked for; all of them where several ranges are, and None for none."""
    found = _RANGE.fullmatch(asked or "")
    if found is None or not any(found.groups()):
        return 0, size
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return 0, size  # no range at all
    return (start, stop) if start < size else None
