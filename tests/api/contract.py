"""The OpenAPI document, walked: which texts each operation takes, in its path, its query and its JSON body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes:
        method: in capital letters.
        path: with its parameters in braces.
        id: its operation's id.
        texts: where it takes a text of the caller's own, such as `path.model`, `query.name` and `body.recipe.model`.
    """

    method: str
    path: str
    id: str
    texts: tuple[str, ...]

    @property
    def reads(self) -> bool:
        """Whether it changes and computes nothing."""
        return self.method == "GET"


def operations(document: dict[str, Any]) -> list[Operation]:
    """All that the document describes."""
    return [
        Operation(method.upper(), path, described["operationId"], tuple(_texts(document, described)))
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def _texts(document: dict[str, Any], described: dict[str, Any]) -> Iterator[str]:
    for parameter in described.get("parameters", []):
        yield from _within(document, parameter["schema"], f"{parameter['in']}.{parameter['name']}")
    body = described.get("requestBody", {}).get("content", {}).get(JSON)
    if body is not None:
        yield from _within(document, body["schema"], "body")


def _within(document: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    """The places below this one at which any text may stand; what is one of a few given texts is none."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    if "string" in ([kinds] if isinstance(kinds, str) else kinds) and not {"enum", "const"} & set(schema):
        yield place
    for choice in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(choice, []):
            yield from _within(document, each, place)
    if "items" in schema:
        yield from _within(document, schema["items"], place)
    for name, each in schema.get("properties", {}).items():
        yield from _within(document, each, f"{place}.{name}")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _within(document, schema["additionalProperties"], f"{place}.*")
