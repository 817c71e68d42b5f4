"""The images of all requests under way, counted together."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

from latentaug.errors import TooManyRequests
from service.api.http.holding import SMALL, Holding
from service.asgi.endpoint import Answer, Endpoint, begin

MOST = 3 * SMALL


async def received() -> Message:
    return {"type": "http.disconnect"}


async def sent(_: Message) -> None:
    pass


async def serve(answer: Answer) -> None:
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    acts = begin(scope)
    try:
        await Endpoint(answer)(scope, received, sent)
    finally:
        for act in acts:
            act()


def test_more_than_there_is_room_for_is_refused_until_another_request_is_answered() -> None:
    holding, told = Holding(MOST), list[TooManyRequests]()

    async def inner(request: Request) -> Response:
        holding.hold(request, 2 * SMALL)
        return Response()

    async def outer(request: Request) -> Response:
        holding.hold(request, 2 * SMALL)
        with pytest.raises(TooManyRequests) as caught:
            await serve(inner)
        told.append(caught.value)
        return Response()

    asyncio.run(serve(outer))
    asyncio.run(serve(inner))

    assert told[0].retry_after is not None


def test_what_a_failed_request_held_is_let_go_of_too() -> None:
    holding = Holding(MOST)

    async def failing(request: Request) -> Response:
        holding.hold(request, 2 * SMALL)
        raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            asyncio.run(serve(failing))


def test_what_a_request_lets_go_of_makes_room_for_others_before_it_is_answered() -> None:
    holding = Holding(MOST)

    async def inner(request: Request) -> Response:
        holding.hold(request, 2 * SMALL)
        return Response()

    async def outer(request: Request) -> Response:
        for _ in range(30):  # each too small to be counted alone
            holding.hold(request, SMALL // 10)
        with pytest.raises(TooManyRequests):
            await serve(inner)
        holding.let_go(request, 2 * SMALL)
        await serve(inner)
        holding.hold(request, 2 * SMALL)
        holding.keep(request, SMALL // 2)
        await serve(inner)
        return Response()

    asyncio.run(serve(outer))


def test_a_request_alone_is_served_whatever_its_size_and_small_ones_beside_it() -> None:
    holding = Holding(MOST)

    async def small(request: Request) -> Response:
        holding.hold(request, SMALL)
        return Response()

    async def answer(request: Request) -> Response:
        holding.hold(request, 10 * SMALL)
        holding.hold(request, 10 * SMALL)
        await serve(small)
        return Response()

    asyncio.run(serve(answer))
