"""The client whose methods are awaited. It has the methods of `client.Client`."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, Unpack

from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, inference
from latentaug_client.calls import Kind, Record, Things
from latentaug_client.connection import AsyncConnection
from latentaug_client.images import Image, Images
from latentaug_client.jobs import AsyncJob
from latentaug_client.options import (
    AugmentDatasetOptions,
    AugmentOptions,
    EvaluateOptions,
    ImageOptions,
    InterpolateOptions,
    LabelJobOptions,
    LabelOptions,
    RecommendOptions,
    TrainOptions,
)
from latentaug_client.payloads import Augmented, Encoded, SpreadLabels
from latentaug_client.retries import Retries


class AsyncClient:
    """Calls one service from within one event loop, as `Client` does from threads.

    >>> import asyncio
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
        self._connection = AsyncConnection(url, key, timeout, retries or Retries())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def encode(self, images: Images, *, model: str, **options: Unpack[ImageOptions]) -> Encoded:
        """As `Client.encode`."""
        return await inference.encode_awaited(self._connection, model, images, options)

    async def decode(self, latents: NDArray[Any], *, model: str) -> NDArray[Any]:
        """As `Client.decode`."""
        return await inference.decode_awaited(self._connection, model, latents)

    async def augment(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[AugmentOptions]
    ) -> Augmented:
        """As `Client.augment`."""
        return await inference.augment_awaited(self._connection, model, images, labels, options)

    async def label(
        self, images: Images, labels: ArrayLike, *, model: str, **options: Unpack[LabelOptions]
    ) -> SpreadLabels:
        """As `Client.label`."""
        return await inference.label_awaited(self._connection, model, images, labels, options)

    async def quality(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[ImageOptions]
    ) -> Record:
        """As `Client.quality`."""
        return await inference.quality_awaited(self._connection, model, images, labels, options)

    async def interpolate(
        self, first: Image, last: Image, *, model: str, **options: Unpack[InterpolateOptions]
    ) -> NDArray[Any]:
        """As `Client.interpolate`."""
        return await self._connection.send(calls.interpolate(model, first, last, options))

    async def models(self) -> list[Record]:
        """As `Client.models`."""
        return await self._connection.send(calls.models())

    async def damaged(self, of: Things = "models") -> list[Record]:
        """As `Client.damaged`."""
        return await self._connection.send(calls.damaged(of))

    async def model(self, name: str) -> Record:
        """As `Client.model`."""
        return await self._connection.send(calls.model(name))

    async def delete_model(self, name: str) -> None:
        """As `Client.delete_model`."""
        await self._connection.send(calls.delete_model(name))

    async def datasets(self) -> list[Record]:
        """As `Client.datasets`."""
        return await self._connection.send(calls.datasets())

    async def dataset(self, name: str) -> Record:
        """As `Client.dataset`."""
        return await self._connection.send(calls.dataset(name))

    async def upload(
        self,
        name: str,
        source: Images | str | PathLike[str],
        labels: ArrayLike | None = None,
        *,
        unlabelled: str | PathLike[str] | None = None,
        size: tuple[int, int] | str | None = None,
        skip_bad: bool = False,
        bits: int | None = None,
    ) -> Record:
        """As `Client.upload`. Files are read at once, so the event loop waits for that."""
        call = calls.upload(name, source, labels, unlabelled, size, skip_bad=skip_bad, bits=bits)
        return await self._connection.send(call)

    async def delete_dataset(self, name: str) -> None:
        """As `Client.delete_dataset`."""
        await self._connection.send(calls.delete_dataset(name))

    async def train(self, dataset: str, *, key: str | None = None, **params: Unpack[TrainOptions]) -> AsyncJob:
        """As `Client.train`."""
        return await self.submit("train", {"dataset": dataset, **params}, key)

    async def evaluate(self, dataset: str, *, key: str | None = None, **params: Unpack[EvaluateOptions]) -> AsyncJob:
        """As `Client.evaluate`."""
        return await self.submit("evaluate", {"dataset": dataset, **params}, key)

    async def recommend(self, dataset: str, *, key: str | None = None, **params: Unpack[RecommendOptions]) -> AsyncJob:
        """As `Client.recommend`."""
        return await self.submit("recommend", {"dataset": dataset, **params}, key)

    async def augment_dataset(
        self,
        dataset: str,
        model: str | None = None,
        *,
        key: str | None = None,
        **params: Unpack[AugmentDatasetOptions],
    ) -> AsyncJob:
        """As `Client.augment_dataset`."""
        return await self.submit("augment", calls.augment_params(dataset, model, params), key)

    async def label_dataset(
        self, dataset: str, model: str, *, key: str | None = None, **params: Unpack[LabelJobOptions]
    ) -> AsyncJob:
        """As `Client.label_dataset`."""
        return await self.submit("label", {"dataset": dataset, "model": model, **params}, key)

    async def submit(self, kind: Kind, params: Mapping[str, Any], key: str | None = None) -> AsyncJob:
        """As `Client.submit`."""
        return AsyncJob(self._connection, await self._connection.send(calls.submit(kind, params, key)))

    async def job(self, job_id: str) -> AsyncJob:
        """As `Client.job`."""
        return AsyncJob(self._connection, await self._connection.send(calls.job(job_id)))

    async def jobs(
        self, kind: Kind | None = None, status: str | None = None, limit: int | None = None
    ) -> list[AsyncJob]:
        """As `Client.jobs`."""
        return [
            AsyncJob(self._connection, record)
            for record in await self._connection.send(calls.jobs(kind, status, limit))
        ]

    async def delete_job(self, job_id: str) -> None:
        """As `Client.delete_job`."""
        await self._connection.send(calls.delete_job(job_id))

    async def check_ready(self) -> None:
        """As `Client.check_ready`."""
        await self._connection.send(calls.ready())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        return await self._connection.ready()
