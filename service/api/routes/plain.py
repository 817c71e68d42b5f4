"""Endpoints that read their own bodies: plain Starlette routes, which FastAPI documents but does not serve."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from service.api.access import guarded
from service.api.http import contract
from service.asgi.endpoint import Answer, Endpoint


@dataclass(frozen=True)
class PlainEndpoint:
    """One such endpoint, declared once for its route and for the OpenAPI document.

    Attributes:
        path: template of its path, with one parameter.
        name: also its operation's id in the document.
        scope: what a caller's key must have.
        tag: what it is listed under in the document.
        answer: the function that answers; its docstring is the description in the document.
        request: its parameters and bodies in the document.
        responses: its answers there, by status.
    """

    path: str
    name: str
    scope: str
    tag: str
    answer: Answer
    request: contract.Fragment
    responses: contract.Responses

    @property
    def route(self) -> Route:
        """The route that serves it."""
        return Route(self.path, Endpoint(guarded(self.scope, self.answer)), methods=["POST"], name=self.name)

    @property
    def documented(self) -> contract.Fragment:
        """What the document says at its path."""
        description = inspect.getdoc(self.answer) or ""
        parameter = next(iter(self.route.param_convertors))
        return {"post": contract.operation(self.name, description, self.tag, parameter, self.request, self.responses)}


class DocumentedApp(FastAPI):
    """A FastAPI application whose OpenAPI document also has the plain endpoints in front of it.

    Args:
        plain: those endpoints; they come first in the document.
        options: FastAPI's own.
    """

    def __init__(self, plain: Sequence[PlainEndpoint], **options: Any) -> None:
        self._plain = plain
        super().__init__(**options)

    def openapi(self) -> dict[str, Any]:
        """The whole document."""
        document = super().openapi()
        return {**document, "paths": {each.path: each.documented for each in self._plain} | document["paths"]}
