"""The client of the model server: it sends named arrays and gets named arrays back, over one pool of connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias
from urllib.parse import quote, urlsplit

import aiohttp

from latentaug.errors import BY_CODE, DeadlineExceeded, LatentaugError, Unavailable
from latentaug.runtime import logs, tracing
from service.oip import messages as oip
from service.oip.tensors import Array, Buffer, Parameters

CONNECT_SECONDS = 1.0
CONTROL_SECONDS = 2.0
RETRY_PAUSE = 0.05
"""Seconds before a refused connection is tried once more: a server that restarts replaces its socket."""
AT_ONCE = 2**16
"""Bytes of a body that are sent, or read, as one."""
GRACE_SECONDS = 0.5
"""Seconds that the server has beyond the deadline to say itself that the deadline has passed."""


Operation: TypeAlias = Literal["encode", "decode", "augment", "label", "quality"]
Outputs: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class Call:
    """One operation for a model to do.

    Attributes:
        model: name of the model.
        operation: what it does.
        version: version of the model, or None for whichever the server has.
        tensors: the inputs, by name.
        parameters: options of the operation.
        outputs: names of the outputs wanted.
        made: rows of each output for each row of an input, or None where that varies.
    """

    model: str
    operation: Operation
    version: str | None
    tensors: Mapping[str, Array]
    parameters: Parameters
    outputs: Sequence[str]
    made: int | None


class ModelServer:
    """Asks the model server. Made inside a running event loop, one for each process, and closed at its end.

    Args:
        url: `unix:///path` or `http://host:port`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        unix = parts.scheme == "unix"
        connector = aiohttp.UnixConnector(parts.path, limit=0) if unix else aiohttp.TCPConnector(limit=0)
        self._base = "http://model-server" if unix else url.rstrip("/")
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def infer(self, call: Call, timeout: float) -> Outputs:
        """Have a call computed.

        Args:
            call: what to compute.
            timeout: seconds within which the answer must have come.

        Returns:
            The outputs by name: read-only views of the answer's bytes. Cancelling the call cancels the request.

        Raises:
            DeadlineExceeded: no answer in time.
            Unavailable: the server is away, is stopping, or stopped meanwhile.
            LatentaugError: whatever the server says is wrong with the request, as an error of the same class.
        """
        path = f"/v2/models/{quote(call.model, safe='')}.{call.operation}"
        if call.version is not None:
            path += f"/versions/{quote(call.version, safe='')}"
        microseconds = {"timeout": max(1, int(timeout * 1e6))}
        headers, buffers = oip.write_request(call.tensors, {**call.parameters, **microseconds}, call.outputs)
        with tracing.span(f"infer {call.operation}", "CLIENT") as span:
            span.attributes["latentaug.model"] = call.model
            headers = {**headers, **_origin()}
            answer, answer_headers = await self._post(f"{path}/infer", buffers, headers, timeout + GRACE_SECONDS)
        return oip.parse_response(answer, answer_headers.get(oip.HEADER_LENGTH)).outputs

    async def ready(self, seconds: float = CONTROL_SECONDS) -> bool:
        """Whether the server says within these seconds that it takes requests."""
        try:
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with self._session.get(f"{self._base}/v2/health/ready", timeout=timeout) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def unload(self, model: str) -> None:
        """Have the server let go of a model.

        Raises:
            Unavailable: the server is away.
            DeadlineExceeded: no answer in time.
        """
        await self._post(f"/v2/repository/models/{quote(model, safe='')}/unload", [], {}, CONTROL_SECONDS)

    async def metrics(self) -> bytes:
        """The server's metrics, in Prometheus's text form.

        Raises:
            Unavailable: the server is away, or does not answer in time.
        """
        try:
            timeout = aiohttp.ClientTimeout(total=CONTROL_SECONDS)
            async with self._session.get(f"{self._base}/metrics", timeout=timeout) as response:
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("the model server does not answer; try again shortly", retry_after=1) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _post(
        self, path: str, body: Sequence[Buffer], headers: Mapping[str, str], seconds: float
    ) -> tuple[bytes | memoryview, Mapping[str, str]]:
        """Send a request, once more where nothing listened, and return the answer's body and headers."""
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await self._send(path, body, headers)
                except aiohttp.ClientConnectorError:  # nothing was sent yet
                    await asyncio.sleep(RETRY_PAUSE)
                    return await self._send(path, body, headers)
        except aiohttp.ClientError as error:
            raise Unavailable("the model server does not answer; try again shortly", retry_after=1) from error
        except TimeoutError as error:
            raise DeadlineExceeded("the model server did not answer in time; send less or allow more time") from error

    async def _send(
        self, path: str, body: Sequence[Buffer], headers: Mapping[str, str]
    ) -> tuple[bytes | memoryview, Mapping[str, str]]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        size = sum(map(len, body))
        data = b"".join(body) if size <= AT_ONCE else _pieces(body)
        headers = {**headers, "Content-Length": str(size)}
        async with self._session.post(self._base + path, data=data, headers=headers, timeout=timeout) as response:
            answer = await _content(response)
            if response.status != HTTPStatus.OK:
                raise error_from(response.status, bytes(answer), response.headers.get("Retry-After"))
            return answer, response.headers


async def _pieces(buffers: Sequence[Buffer]) -> AsyncIterator[memoryview]:
    """A large body in pieces, as it would hold up everyone else, and take as much memory again, in one."""
    for buffer in buffers:
        whole = memoryview(buffer)
        for start in range(0, len(whole), AT_ONCE):
            yield whole[start : start + AT_ONCE]


async def _content(response: aiohttp.ClientResponse) -> bytes | memoryview:
    """An answer's body; a large one is put together in place, as it would be in memory twice otherwise."""
    size = response.content_length
    if size is None or size <= AT_ONCE:
        return await response.read()
    whole, start = bytearray(size), 0
    async for piece in response.content.iter_any():
        whole[start : start + len(piece)] = piece
        start += len(piece)
    return memoryview(whole).toreadonly()


def _origin() -> dict[str, str]:
    """Headers that tell the model server which request and trace it works for."""
    current = logs.request_id.get()
    return tracing.carrier() | ({} if current is None else {"X-Request-ID": current})


def error_from(status: int, body: bytes, retry_after: str | None) -> LatentaugError:
    """The error that a server's error answer stands for, of the class that its code names."""
    try:
        answer = json.loads(body)
        kind, detail = BY_CODE[answer["code"]], str(answer["error"])
        fields = [(str(location), str(message)) for location, message in answer.get("fields", [])]
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the model server answered with status {status}; see its log", retry_after=1)
    return kind(detail, fields=fields, retry_after=float(retry_after) if retry_after else None)
