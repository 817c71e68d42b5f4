"""A caller's connection to a server. Callers share the machine with what they measure, so theirs must cost little.

A client for general use takes a good part of the time that a whole request for a single image takes. Here requests are
bytes that were written beforehand, and httptools reads the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True)
class Response:
    """An answer: its status, its headers by lower-case name, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def written(url: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Write a POST request as bytes."""
    about = {"Host": urlsplit(url).netloc, "Content-Length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in about.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def connect(url: str) -> Connection:
    """Connect to the server at `url`, `http://host:port`; the caller must close the connection.

    Raises:
        OSError: nothing listens there.
    """
    host, _, port = urlsplit(url).netloc.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host.strip("[]"), int(port))
    return connection


class Connection(asyncio.Protocol):
    """A keep-alive connection that sends one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._answer: asyncio.Future[Response] | None = None

    @property
    def open(self) -> bool:
        """Whether the connection can take a request."""
        return not self._transport.is_closing()

    async def ask(self, request: bytes) -> Response:
        """Send a request and wait for its answer.

        Raises:
            ConnectionError: the server closed the connection first.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's callback."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """Asyncio's callback."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection before it answered"))

    def data_received(self, data: bytes) -> None:
        """Asyncio's callback."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """The parser's callback."""
        self._headers, self._parts = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's callback."""
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, part: bytes) -> None:
        """The parser's callback."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """The parser's callback."""
        if self._answer and not self._answer.done():
            self._answer.set_result(Response(self._parser.get_status_code(), self._headers, b"".join(self._parts)))
