"""The audit log: one line for each change that a caller makes, tries to make, or is refused.

A change is an upload, a job, the deletion of a data set, a model or a job: any request that does more than read and
compute. Its line says when it was, by which key's owner and tenant, what was asked for, of what name, and how it ended.
What grows old is deleted by a worker, whose own log says so.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.runtime import logs
from latentaug.runtime.settings import PREFIX
from service.api.access import Caller, of_scope

logger = logging.getLogger("latentaug.audit")

_READING = {"GET", "HEAD", "OPTIONS"}
_LONGEST = 100
"""Characters of a name that are told; one that is longer is nobody's."""


class AuditLog:
    """ASGI middleware: tells of each change before it is answered, in the log and, where one is named, in a file.

    Args:
        app: what answers.
        file: the file that lines are added to, or None. It is opened for each line, so that it may be moved away.

    Raises:
        ValueError: the file cannot be written.
    """

    def __init__(self, app: ASGIApp, file: Path | None) -> None:
        self._app = app
        self._file = file
        if file is not None:
            try:
                _add(file, b"")
            except OSError as error:
                raise ValueError(
                    f"{file} ({PREFIX}AUDIT_FILE) cannot be written ({error.strerror}); name a file in a folder that "
                    "this user may write to"
                ) from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        told = False

        async def watched(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                told = True
                self._tell(scope, message["status"], Headers(raw=message["headers"]))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if not told:  # an unforeseen fault, which is answered further out
                self._tell(scope, 500, Headers())

    def _tell(self, scope: Scope, status: int, headers: Headers) -> None:
        caller = of_scope(scope)
        if caller is None:  # nobody was asked for a key, so there is nothing to change here
            return
        line = _line(scope, caller, status, headers)
        logger.info("%s %s", line["action"], line["outcome"], extra={"fields": line})
        if self._file is None:
            return
        try:
            _add(self._file, json.dumps(line).encode() + b"\n")
        except OSError as error:  # the change is made; here is its line, whatever level the log begins at
            told = {"fields": line}
            logger.error("a line could not be added to %s (%s)", self._file, error.strerror, extra=told)


def _line(scope: Scope, caller: Caller, status: int, headers: Headers) -> dict[str, object]:
    """What is told of one change."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": logs.request_id.get(),
        "owner": caller.owner or None,
        "tenant": caller.tenant,
        "action": getattr(scope.get("route"), "name", None),
        "name": _name(scope, headers),
        "outcome": _outcome(status, headers),
        "status": status,
    }


def _name(scope: Scope, headers: Headers) -> str | None:
    """The name or id of what was changed: in the path, or where the answer says that it now is, or as it was to be."""
    for name in scope.get("path_params", {}).values():
        return str(name)[:_LONGEST]
    if made := headers.get("location"):
        return made.rpartition("/")[2]
    wanted = parse_qs(scope["query_string"].decode("latin-1")).get("name")
    return wanted[0][:_LONGEST] if wanted else None


def _outcome(status: int, headers: Headers) -> str:
    if status >= 500:
        return "failed"
    if status >= 400:
        return "refused"
    return "repeated" if "idempotent-replayed" in headers else "done"


def _add(file: Path, line: bytes) -> None:
    """Add a line in one write, so that several processes may share the file."""
    place = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(place, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(place)
