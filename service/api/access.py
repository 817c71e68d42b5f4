"""Who may call an endpoint, and how often: the first thing that any request meets, before its body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from latentaug.errors import Forbidden, Unauthenticated
from service.api.context import Context, FromContext

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key. None is needed where the service listens on a loopback address and has none.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


def allow(scope: str | None) -> Callable[[Request, FromContext, Credentials], Awaitable[str]]:
    """A dependency that lets callers with `scope` pass, or with any known key where it is None.

    It gives the caller's name: of their key, or empty where no keys are needed.

    Raises (when it is called):
        Unauthenticated: no key, or an unknown one.
        Forbidden: a key without the scope.
        TooManyRequests: over the rate, counted by key, or by address where there is no known key.
    """

    async def authorise(request: Request, context: FromContext, credentials: Credentials) -> str:
        key = None if credentials is None else context.keys.find(credentials.credentials)
        address = request.client.host if request.client else "unknown"
        await context.rate_limit.count(f"key {key.owner}" if key else f"address {address}")
        if context.keys.open:
            return ""
        if key is None:
            sent = "the key is not known" if credentials else "no key was sent"
            raise Unauthenticated(f"{sent}; send the header 'Authorization: Bearer <key>'")
        if scope is not None and scope not in key.scopes:
            raise Forbidden(f"this key's scopes are {', '.join(sorted(key.scopes))}; {scope!r} is needed here")
        return key.owner

    return authorise


_infer = allow("infer")

AnyKey = Depends(allow(None))
MayInfer = Depends(_infer)
MayTrain = Depends(allow("train"))
MayAdminister = Depends(allow("admin"))


async def may_infer(request: Request, context: Context) -> None:
    """What `MayInfer` does, for who calls an endpoint without FastAPI's dependencies."""
    await _infer(request, context, await _bearer(request))
