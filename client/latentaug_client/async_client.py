"""The client that is awaited: `client.Client`, method for method."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, errors
from latentaug_client.calls import Call, Kind, Record
from latentaug_client.client import LIVING, POLL_SECONDS, headers, progress_line
from latentaug_client.events import Event, EventLines
from latentaug_client.options import AugmentJobOptions, AugmentOptions, EvaluateOptions, TrainOptions
from latentaug_client.payloads import Augmented, Encoded, Image, Images
from latentaug_client.retries import Retries

T = TypeVar("T")


class AsyncClient:
    """As `client.Client`, within one event loop.

    >>> async def several():
    ...     async with AsyncClient(url) as client:
    ...         methods = ("interpolation", "extrapolation")
    ...         calls = [client.augment(images, labels, model="digits-vae", method=method) for method in methods]
    ...         return [len(new.images) for new in await asyncio.gather(*calls)]
    >>> asyncio.run(several())
    [120, 120]
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: Retries | None = None
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=headers(key), timeout=timeout)
        self._retries = retries or Retries()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def encode(self, images: Images, *, model: str, resize: bool = False) -> Encoded:
        """As `Client.encode`."""
        return await self._send(calls.encode(model, images, resize=resize))

    async def decode(self, latents: NDArray[Any], *, model: str) -> NDArray[Any]:
        """As `Client.decode`."""
        return await self._send(calls.decode(model, latents))

    async def augment(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[AugmentOptions]
    ) -> Augmented:
        """As `Client.augment`."""
        return await self._send(calls.augment(model, images, labels, options))

    async def interpolate(self, first: Image, last: Image, *, model: str, steps: int = 8) -> NDArray[Any]:
        """As `Client.interpolate`."""
        return await self._send(calls.interpolate(model, first, last, steps))

    async def models(self) -> list[Record]:
        """As `Client.models`."""
        return await self._send(calls.models())

    async def model(self, name: str) -> Record:
        """As `Client.model`."""
        return await self._send(calls.model(name))

    async def delete_model(self, name: str) -> None:
        """As `Client.delete_model`."""
        await self._send(calls.delete_model(name))

    async def datasets(self) -> list[Record]:
        """As `Client.datasets`."""
        return await self._send(calls.datasets())

    async def dataset(self, name: str) -> Record:
        """As `Client.dataset`."""
        return await self._send(calls.dataset(name))

    async def upload(
        self,
        name: str,
        source: NDArray[Any] | str | PathLike[str],
        labels: ArrayLike | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Record:
        """As `Client.upload`; files are read before the loop goes on."""
        return await self._send(calls.upload(name, source, labels, size))

    async def delete_dataset(self, name: str) -> None:
        """As `Client.delete_dataset`."""
        await self._send(calls.delete_dataset(name))

    async def train(self, dataset: str, *, key: str | None = None, **params: Unpack[TrainOptions]) -> AsyncJob:
        """As `Client.train`."""
        return await self.submit("train", {"dataset": dataset, **params}, key)

    async def evaluate(self, dataset: str, *, key: str | None = None, **params: Unpack[EvaluateOptions]) -> AsyncJob:
        """As `Client.evaluate`."""
        return await self.submit("evaluate", {"dataset": dataset, **params}, key)

    async def augment_dataset(
        self, dataset: str, model: str, *, key: str | None = None, **params: Unpack[AugmentJobOptions]
    ) -> AsyncJob:
        """As `Client.augment_dataset`."""
        return await self.submit("augment", {"dataset": dataset, "model": model, **params}, key)

    async def submit(self, kind: Kind, params: Mapping[str, Any], key: str | None = None) -> AsyncJob:
        """As `Client.submit`."""
        return AsyncJob(self, await self._send(calls.submit(kind, params, key)))

    async def job(self, job_id: str) -> AsyncJob:
        """As `Client.job`."""
        return AsyncJob(self, await self._send(calls.job(job_id)))

    async def jobs(self, kind: Kind | None = None, status: str | None = None, limit: int = 50) -> list[AsyncJob]:
        """As `Client.jobs`."""
        return [AsyncJob(self, record) for record in await self._send(calls.jobs(kind, status, limit))]

    async def check_ready(self) -> None:
        """As `Client.check_ready`."""
        await self._send(calls.ready())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        try:
            return (await self._http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                pause = self._retries.after_break(call, error, attempt)
                if pause is None:
                    raise errors.Unreachable(f"no answer from {self._http.base_url}: {error}") from error
            else:
                if response.is_success:
                    return call.read(response)
                pause = self._retries.after_answer(response, attempt)
                if pause is None:
                    raise errors.problem(response)
            await asyncio.sleep(pause)

    async def _stream(self, call: Call[None]) -> AsyncIterator[Event]:
        """The events of one connection."""
        try:
            async with self._http.stream(call.verb, call.path, headers=call.headers) as response:
                if not response.is_success:
                    await response.aread()
                    raise errors.problem(response)
                lines = EventLines()
                async for line in response.aiter_lines():
                    if event := lines.take(line):
                        yield event
        except httpx.TransportError as error:
            raise errors.Unreachable(f"the events of {self._http.base_url} broke off: {error}") from error


class AsyncJob:
    """As `client.Job`.

    Attributes:
        record: what was known of it when it was last looked at.
    """

    def __init__(self, client: AsyncClient, record: Record) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def status(self) -> str:
        """As `Job.status`."""
        return str(self.record["status"])

    async def refresh(self) -> Self:
        """As `Job.refresh`."""
        self.record = await self._client._send(calls.job(self.id))
        return self

    async def wait(self, *, progress: bool = False, timeout: float | None = None) -> Self:
        """As `Job.wait`."""
        end = None if timeout is None else time.monotonic() + timeout
        shown = ""
        while True:
            if progress and (line := progress_line(self.record)) != shown:
                shown = line
                print(line, file=sys.stderr, flush=True)
            if self.status not in LIVING:
                break
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {self.id} is {self.status} after {timeout:g} s; it goes on")
            await asyncio.sleep(POLL_SECONDS)
            await self.refresh()
        if self.status != "succeeded":
            raise errors.JobFailed(self.record)
        return self

    async def cancel(self) -> Self:
        """As `Job.cancel`."""
        self.record = await self._client._send(calls.cancel(self.id))
        return self

    async def result(self, form: str = "json", *, figure: str | None = None) -> bytes:
        """As `Job.result`."""
        return await self._client._send(calls.result(self.id, "png" if figure else form, figure))

    async def events(self) -> AsyncIterator[Event]:
        """As `Job.events`."""
        after: str | None = None
        broken = 0
        while True:
            try:
                async for event in self._client._stream(calls.events(self.id, after)):
                    after, broken = event.id, 0
                    yield event
                    if event.type == "end":
                        return
            except errors.Unreachable:
                broken += 1
                if broken >= self._client._retries.attempts:
                    raise
            await asyncio.sleep(POLL_SECONDS)
