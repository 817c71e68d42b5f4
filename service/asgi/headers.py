"""A request's headers, read by the few functions that each request passes."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

_READ = "latentaug.headers"


def sent(scope: MutableMapping[str, Any], name: bytes) -> str | None:
    """The first header of that name, in lower case; None where there is none.

    Starlette's `Headers` looks through all of them each time, which is noticeable where a request holds one image.
    """
    read: dict[bytes, bytes] | None = scope.get(_READ)
    if read is None:
        read = scope[_READ] = dict(reversed(scope["headers"]))
    value = read.get(name)
    return None if value is None else value.decode("latin-1")
