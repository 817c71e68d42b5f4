"""Who may call an endpoint and how often. This is checked before a request's body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from latentaug.errors import Forbidden, Unauthenticated
from service.api.context import context_of
from service.asgi.endpoint import Answer

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key. None is needed where the service listens on a loopback address and has no keys.",
)
Documented = Security(bearer)
"""Says in /openapi.json that an endpoint takes a key. By itself it lets everyone pass."""


async def authorise(request: Request, scope: str | None, credentials: HTTPAuthorizationCredentials | None) -> str:
    """Let the caller pass if its key has the scope or, where the scope is None, if its key is known.

    Args:
        request: the caller's request.
        scope: what the endpoint needs: one of `keys.SCOPES`, or None.
        credentials: what the request's `Authorization` header holds.

    Returns:
        A name for the key's owner; empty where the service has no keys and so needs none.

    Raises:
        Unauthenticated: the request has no key, or an unknown one.
        Forbidden: the key lacks the scope.
        TooManyRequests: the caller exceeds a rate. It is counted by key, or by address where there is no known key.
        TooLarge: the body alone has more bytes than the caller may send.
    """
    context = context_of(request)
    key = None if credentials is None else context.keys.find(credentials.credentials)
    address = request.client.host if request.client else "unknown"
    await context.quotas.count(f"key {key.owner}" if key else f"address {address}", request)
    if context.keys.open:
        return ""
    if key is None:
        sent = "the key is not known" if credentials else "no key was sent"
        raise Unauthenticated(f"{sent}; send the header 'Authorization: Bearer <key>'")
    if scope is not None and scope not in key.scopes:
        raise Forbidden(f"this key's scopes are {', '.join(sorted(key.scopes))}; {scope!r} is needed here")
    return key.owner


def guarded(scope: str, answer: Answer) -> Answer:
    """Return `answer` for callers whose key has the scope only; nobody else's body is read.

    An endpoint behind it learns from `Owner` whose key it was.
    """

    async def guarded_answer(request: Request) -> Response:
        request.scope["owner"] = await authorise(request, scope, await bearer(request))
        return await answer(request)

    return guarded_answer


async def _owner(request: Request) -> str:
    return str(request.scope["owner"])


Owner = Annotated[str, Depends(_owner)]
"""The owner of the key that `guarded` let pass; empty where none was needed."""


def _allow(scope: str | None) -> Callable[..., Awaitable[str]]:
    """`authorise` as a dependency of an endpoint whose body FastAPI does not read."""

    async def authorised(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Documented]
    ) -> str:
        return await authorise(request, scope, credentials)

    return authorised


AnyKey = Depends(_allow(None))
MayTrain = Depends(_allow("train"))
MayAdminister = Depends(_allow("admin"))
