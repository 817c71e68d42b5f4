"""Several model servers, each of which has some of the models in memory.

Each model has an order of the servers, its own, which follows from their URLs and its name alone (rendezvous hashing):
so all API processes ask the same server for it, and where a server comes or goes, no model moves but its own. A server
that does not take requests is left out until it says that it does; meanwhile the next in order has its models.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from contextvars import Context
from hashlib import blake2b

from latentaug.errors import Unavailable
from service.api.compute.client import Call, ModelServer, Outputs
from service.api.exposition import combined

LOOK_SECONDS = 0.5
"""Seconds after which a server that was left out is asked again whether it takes requests."""
PATIENCE = 1.0
"""Seconds within which a server must say that it takes requests, where another could have its models."""

_log = logging.getLogger(__name__)


class ModelServers:
    """Asks the model servers. Made inside a running event loop, one for each process, and closed at its end.

    Args:
        urls: one for each server, as `ModelServer` takes them; at least one.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._servers = [ModelServer(url) for url in urls]
        self._returns: dict[ModelServer, asyncio.Task[None]] = {}

    @property
    def left_out(self) -> int:
        """How many servers get no requests, as they were found not to take any."""
        return len(self._returns)

    def infer(self, call: Call, timeout: float) -> Awaitable[Outputs]:
        """Have a call computed by the first server of its model, as `ModelServer.infer` does."""
        if len(self._servers) == 1:
            return self._servers[0].infer(call, timeout)
        return self._by_the_first(call, timeout)

    async def ready(self) -> int:
        """How many servers take requests; those that do not are left out from now on."""
        if len(self._servers) == 1:
            return int(await self._servers[0].ready())
        asked = [server for server in self._servers if server not in self._returns]
        answers = await asyncio.gather(*(server.ready(PATIENCE) for server in asked))
        for server, ready in zip(asked, answers, strict=True):
            if not ready:
                self._leave_out(server)
        return sum(answers)

    async def unload(self, model: str) -> None:
        """Have every server let go of a model.

        Raises:
            LatentaugError: what one of those said that did not; all others have let go of it.
        """
        answers = await asyncio.gather(*(server.unload(model) for server in self._servers), return_exceptions=True)
        for error in answers:
            if error is not None:
                raise error

    async def metrics(self) -> bytes:
        """The metrics of all servers that answer, in Prometheus's text form; those of several each with their URL.

        Raises:
            Unavailable: no server answers.
        """
        if len(self._servers) == 1:
            return await self._servers[0].metrics()
        answers = await asyncio.gather(*(server.metrics() for server in self._servers), return_exceptions=True)
        told = {
            server.url: answer
            for server, answer in zip(self._servers, answers, strict=True)
            if isinstance(answer, bytes)
        }
        if not told:
            raise Unavailable("no model server answers; try again shortly", retry_after=1)
        return combined("server", told)

    def __len__(self) -> int:
        return len(self._servers)

    async def close(self) -> None:
        """Close all connections."""
        for task in self._returns.values():
            task.cancel()
        for server in self._servers:
            await server.close()

    async def _by_the_first(self, call: Call, timeout: float) -> Outputs:
        """Ask the servers in order, until one takes the call."""
        until = time.monotonic() + timeout
        *others, last = self._in_order(call.model)
        for server in others:
            try:
                return await server.infer(call, until - time.monotonic())
            except Unavailable:
                if await server.ready(PATIENCE):  # what is away is the store, which the next one would not reach either
                    raise
                self._leave_out(server)
        return await last.infer(call, until - time.monotonic())

    def _in_order(self, model: str) -> list[ModelServer]:
        """All servers in a model's order, but those that are left out last."""
        servers = {server.url: server for server in self._servers}
        return sorted((servers[url] for url in in_order(servers, model)), key=self._returns.__contains__)

    def _leave_out(self, server: ModelServer) -> None:
        """Ask others until this server is ready again."""
        if server not in self._returns:
            _log.warning("the model server at %s takes no requests; others have its models meanwhile", server.url)
            # It belongs to no request, so that its lines show the id of none.
            self._returns[server] = asyncio.create_task(self._await_return(server), context=Context())

    async def _await_return(self, server: ModelServer) -> None:
        while not await server.ready():
            await asyncio.sleep(LOOK_SECONDS)
        del self._returns[server]
        _log.warning("the model server at %s is back", server.url)


def in_order(urls: Iterable[str], model: str) -> list[str]:
    """The URLs of servers in a model's order: the one that should have it in memory comes first."""
    return sorted(urls, key=lambda url: blake2b(f"{url} {model}".encode(), digest_size=8).digest())
