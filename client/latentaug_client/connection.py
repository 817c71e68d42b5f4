"""Sends requests and reads their answers, once for code that waits and once for code that awaits."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx
from httpx_sse import EventSource

from latentaug_client import errors, remarks
from latentaug_client.calls import Call
from latentaug_client.events import Event, read
from latentaug_client.retries import Retries

T = TypeVar("T")


class Connection:
    """A connection to a service, for any number of threads.

    A child process that gets it, by a fork or pickled, opens sockets of its own.

    Args:
        url: the service's URL.
        key: API key to send, or None.
        timeout: seconds to wait for an answer.
        retries: how often to send a request again.
    """

    def __init__(self, url: str, key: str | None, timeout: float, retries: Retries) -> None:
        self._given = (_checked(url), _headers(key), timeout)
        self.retries = retries
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"_given": self._given, "retries": self.retries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @property
    def _http(self) -> httpx.Client:
        """This process's own client: what a parent's sockets answer must not be read by two."""
        if self._process != os.getpid():
            self._open()
        return self._client

    def _open(self) -> None:
        url, headers, timeout = self._given
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._process = os.getpid()

    def ready(self) -> bool:
        """Whether the service is ready for requests."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def send(self, call: Call[T]) -> T:
        """Send a request, more than once if that may help, and read the answer."""
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                pause = self.retries.after_break(call, error, attempt)
                if pause is None:
                    raise errors.Unreachable(f"no answer from {self._http.base_url}: {error}") from error
            else:
                if response.is_success:
                    remarks.tell(response)
                    return call.read(response)
                pause = self.retries.after_answer(response, attempt)
                if pause is None:
                    raise errors.problem(response)
            time.sleep(pause)

    def stream(self, call: Call[None]) -> Iterator[Event]:
        """The events that come over one connection."""
        try:
            with self._http.stream(call.verb, call.path, headers=call.headers) as response:
                if not response.is_success:
                    response.read()
                    raise errors.problem(response)
                for message in EventSource(response).iter_sse():
                    if event := read(message):
                        yield event
        except httpx.TransportError as error:
            raise errors.Unreachable(f"a job's events from {self._http.base_url} broke off: {error}") from error


class AsyncConnection:
    """A connection to a service within one event loop. Its arguments are those of `Connection`."""

    def __init__(self, url: str, key: str | None, timeout: float, retries: Retries) -> None:
        self._http = httpx.AsyncClient(base_url=_checked(url), headers=_headers(key), timeout=timeout)
        self.retries = retries

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Whether the service is ready for requests."""
        try:
            return (await self._http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def send(self, call: Call[T]) -> T:
        """Send a request, more than once if that may help, and read the answer."""
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                pause = self.retries.after_break(call, error, attempt)
                if pause is None:
                    raise errors.Unreachable(f"no answer from {self._http.base_url}: {error}") from error
            else:
                if response.is_success:
                    remarks.tell(response)
                    return call.read(response)
                pause = self.retries.after_answer(response, attempt)
                if pause is None:
                    raise errors.problem(response)
            await asyncio.sleep(pause)

    async def stream(self, call: Call[None]) -> AsyncIterator[Event]:
        """The events that come over one connection."""
        try:
            async with self._http.stream(call.verb, call.path, headers=call.headers) as response:
                if not response.is_success:
                    await response.aread()
                    raise errors.problem(response)
                async for message in EventSource(response).aiter_sse():
                    if event := read(message):
                        yield event
        except httpx.TransportError as error:
            raise errors.Unreachable(f"a job's events from {self._http.base_url} broke off: {error}") from error


def _checked(url: str) -> str:
    """The URL of a service.

    Raises:
        ValueError: it does not say how to reach the service, or no host.
    """
    if not isinstance(url, str) or not re.match(r"https?://[^/]", url):
        raise ValueError(f"{url!r} is no URL of a service; give one such as http://127.0.0.1:8000")
    return url


def _headers(key: str | None) -> dict[str, str]:
    """The headers of every request.

    Raises:
        ValueError: the key holds something that no header can carry.
    """
    if key is None or not key.strip():
        return {}
    key = key.strip()  # a key that was read from a file ends in a line break
    if not key.isascii() or not key.isprintable():
        raise ValueError("the API key holds a line break or a character that is not ASCII; give the key alone")
    return {"Authorization": f"Bearer {key}"}
