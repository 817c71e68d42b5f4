"""Reads JSON, bounded before it is parsed."""

from __future__ import annotations

import json

from starlette.requests import Request

from latentaug.errors import InvalidInput, MalformedInput
from service.api.http import media
from service.api.http.limits import bound_json, read_body


class BoundedJson(Request):
    """A request whose body is one JSON object, bounded before it is parsed. FastAPI then takes it as it was read here.

    Args:
        request: the request as it came.
        max_bytes: most bytes of the body.
        slowest: fewest bytes per second that it must come in with; 0 where any rate will do.
        max_values: most values in it.
    """

    def __init__(self, request: Request, max_bytes: int, slowest: int, max_values: int) -> None:
        super().__init__(request.scope, request.receive)
        self._max_bytes = max_bytes
        self._slowest = slowest
        self._max_values = max_values

    async def body(self) -> bytes:
        """Read the body once.

        Raises:
            UnsupportedMediaType: it is not said to be JSON.
            TooLarge: more than `max_bytes`.
            Stalled: it comes too slowly.
        """
        if not hasattr(self, "_body"):
            media.body_form(self, [media.JSON])
            self._body = await read_body(self, self._max_bytes, self._slowest)
        return self._body

    async def json(self) -> dict[str, object]:
        """Parse the body once; raises what `body` and `read_json` raise."""
        if not hasattr(self, "_object"):
            self._object = read_json(await self.body(), self._max_values)
        return self._object


def read_json(body: bytes, max_values: int) -> dict[str, object]:
    """Parse a JSON object.

    Raises:
        MalformedInput: it is not JSON.
        InvalidInput: it is not an object.
        TooLarge: it holds more than `max_values` values.
    """
    bound_json(body, max_values)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput("the body must be a JSON object, {...}")
    return document
