"""Who may call an endpoint, how often, and whose things it sees. This is checked before a request's body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from latentaug.errors import Forbidden, Unauthenticated
from service.api.context import context_of
from service.asgi import headers
from service.asgi.endpoint import Answer

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key. None is needed where the service listens on a loopback address and has no keys.",
)
Documented = Security(bearer)
"""Says in /openapi.json that an endpoint takes a key. By itself it lets everyone pass."""


_CALLER = "latentaug.caller"


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    Attributes:
        owner: a name for the key's owner; empty where the service has no keys, or does not know the key.
        tenant: whose data sets, models and jobs the caller sees and makes. None where the service has no tenants, and
            for who runs it: then those of no tenant, and all jobs.
    """

    owner: str
    tenant: str | None


NOBODY = Caller("", None)
"""Who sends no key, or an unknown one."""


def of_scope(scope: Scope) -> Caller | None:
    """Who makes a request, whether or not `authorise` has let it pass; None where that was never asked."""
    caller = scope.get(_CALLER)
    return caller if isinstance(caller, Caller) else None


def caller_of(request: Request) -> Caller:
    """Who makes this request, which `authorise` has let pass."""
    caller = of_scope(request.scope)
    assert caller is not None  # noqa: S101  `authorise` put it there
    return caller


async def authorise(request: Request, scope: str | None, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    """Let the caller pass if its key has the scope or, where the scope is None, if its key is known.

    Args:
        request: the caller's request.
        scope: what the endpoint needs: one of `keys.SCOPES`, or None.
        credentials: what the request's `Authorization` header holds.

    Returns:
        Who the caller is, which `caller_of` tells from then on.

    Raises:
        Unauthenticated: the request has no key, or an unknown one.
        Forbidden: the key lacks the scope.
        TooManyRequests: the caller exceeds a rate. It is counted by key, or by address where there is no known key.
        TooLarge: the body alone has more bytes than the caller may send.
    """
    context = context_of(request)
    key = None if credentials is None else context.keys.find(credentials.credentials)
    caller = request.scope[_CALLER] = Caller(key.owner, key.tenant) if key else NOBODY
    address = request.client.host if request.client else "unknown"
    await context.quotas.count(f"key {key.owner}" if key else f"address {address}", request)
    if context.keys.open:
        return caller
    if key is None:
        sent = "the key is not known" if credentials else "no key was sent"
        raise Unauthenticated(f"{sent}; send the header 'Authorization: Bearer <key>'")
    if scope is not None and scope not in key.scopes:
        raise Forbidden(f"this key's scopes are {', '.join(sorted(key.scopes))}; {scope!r} is needed here")
    return caller


def guarded(scope: str, answer: Answer) -> Answer:
    """Return `answer` for callers whose key has the scope only; nobody else's body is read.

    An endpoint behind it learns from `caller_of` who that is.
    """

    async def guarded_answer(request: Request) -> Response:
        sent = headers.sent(request.scope, b"authorization")  # mostly none, which FastAPI takes long to find out
        await authorise(request, scope, await bearer(request) if sent else None)
        return await answer(request)

    return guarded_answer


def _allow(scope: str | None, *, of_all: bool = False) -> Callable[..., Awaitable[Caller]]:
    """`authorise` as a dependency of an endpoint whose body FastAPI does not read."""

    async def authorised(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Documented]
    ) -> Caller:
        caller = await authorise(request, scope, credentials)
        if of_all and caller.tenant is not None:
            raise Forbidden("these figures are of all tenants; only a key of who runs the service gets them")
        return caller

    return authorised


AnyKey = Depends(_allow(None))
MayTrain = Depends(_allow("train"))
MayAdminister = Depends(_allow("admin"))
MayWatch = Depends(_allow(None, of_all=True))
"""For what shows all tenants at once: any key where there are none, else one of no tenant."""
