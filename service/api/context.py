"""What every endpoint works with, such as the settings, the store and the jobs. It is made once, at the start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends
from starlette.requests import Request

from latentaug.imaging.pixels import Limits
from latentaug.runtime.settings import Settings, available_cores
from latentaug.storage.objects import ArtefactStore
from service.api.compute.descriptions import Descriptions
from service.api.compute.joining import Joiner
from service.api.compute.servers import ModelServers
from service.api.http.holding import Holding
from service.api.http.places import Places
from service.api.http.quotas import Quotas
from service.api.jobs.submissions import Jobs
from service.api.keys import Keys
from service.api.loaded import LoadedDatasets
from service.api.metrics import Metrics
from service.api.probing import Probe
from service.api.siblings import Siblings

Result = TypeVar("Result")

_AT_ONCE_BYTES = 2**14
"""Bytes, such as those of twenty digits, that are encoded or decoded in less time than a thread takes to start."""


@dataclass(frozen=True)
class Context:
    """Everything behind the endpoints.

    Attributes:
        settings: the settings of this process.
        store: holds data sets, models and results.
        descriptions: describes the models in the store.
        loaded: keeps data sets with their images.
        model_servers: the model servers, which compute.
        joiner: asks the model servers, and joins small calls of several callers.
        jobs: the job records and their queues.
        keys: the keys of those who may call.
        quotas: how often each caller may call, and with how many bytes.
        holding: bounds the images that requests under way have in memory.
        metrics: what this process counts.
        siblings: the API processes that share this one's port.
        pixel_threads: bounds the threads that decode and encode images, so that they never take all cores and memory.
        uploads: bounds the data sets that are being uploaded, as each is held in memory.
        upload_threads: threads that read them, apart from those of requests, which would wait for minutes.
        store_probe: what was last known of the store.
        job_threads: bounds the threads that wait for Redis, so that a slow Redis never holds up inference.
        probe_threads: threads that ask whether the parts are ready, however many wait for a part that is not.
    """

    settings: Settings
    store: ArtefactStore
    descriptions: Descriptions
    loaded: LoadedDatasets
    model_servers: ModelServers
    joiner: Joiner
    jobs: Jobs
    keys: Keys
    quotas: Quotas
    holding: Holding
    metrics: Metrics
    siblings: Siblings
    pixel_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(max(2, available_cores())))
    uploads: Places = field(default_factory=lambda: Places(2))
    upload_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    store_probe: Probe = field(default_factory=Probe)
    job_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(16))
    probe_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(16))

    @cached_property
    def limits(self) -> Limits:
        """Bounds on the images of one inference request; decoded, they hold at most four times the largest body."""
        return Limits(max_images=self.settings.max_images, max_bytes=4 * self.settings.max_body_bytes)

    async def on_pixels(self, work: Callable[[], Result], effort: float = math.inf) -> Result:
        """Run CPU-bound work on images: in a thread, or at once where it takes less time than changing to one.

        Args:
            work: what to do.
            effort: most bytes that it encodes or decodes, or the number of bytes that are as much work
                (`media.read_effort`).
        """
        return work() if effort <= _AT_ONCE_BYTES else await to_thread.run_sync(work, limiter=self.pixel_threads)

    async def on_upload(self, work: Callable[[], Result]) -> Result:
        """Run work on a whole data set in a thread."""
        return await to_thread.run_sync(work, limiter=self.upload_threads)

    async def on_jobs(self, work: Callable[[], Result]) -> Result:
        """Run work that waits for Redis in a thread."""
        return await to_thread.run_sync(work, limiter=self.job_threads)

    async def on_store(self, work: Callable[[], Result]) -> Result:
        """Run work that waits for the store in a thread, so that a slow store never holds up what Redis knows."""
        return await to_thread.run_sync(work)

    async def on_probe(self, question: Callable[[], object]) -> object:
        """Ask a part whether it is ready, in a thread that is left behind where it does not answer in time."""
        return await to_thread.run_sync(question, abandon_on_cancel=True, limiter=self.probe_threads)


def context_of(request: Request) -> Context:
    """Return what the endpoint that answers this request works with."""
    context = request.scope["state"]["context"]
    assert isinstance(context, Context)  # noqa: S101  the lifespan put it there
    return context


async def _of_request(request: Request) -> Context:  # async, or FastAPI would call it in a thread
    return context_of(request)


FromContext = Annotated[Context, Depends(_of_request)]
