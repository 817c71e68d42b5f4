"""Who takes part in the serving benchmark. Each answers the same request and does it for a while at full speed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from aiohttp import ClientError

from bench import clients, plain, workload
from bench.workload import Images, Request, Shape
from latentaug.artefacts import ArtefactStore
from latentaug.errors import LatentaugError
from latentaug.lifeline import tied
from latentaug.settings import Settings
from service import ports
from service.model_server import operations
from service.model_server.engine import LoadedModel, compute
from service.model_server.inference import Inference
from service.oip import InferenceRequest

START_TIMEOUT = 90.0  # seconds

Augment: TypeAlias = Callable[[Sequence[Images]], list[Images]]


class Contender(Protocol):
    """Something that augments images."""

    def answer(self) -> Images:
        """Answer the request once: uint8 [n * k, h, w, c]."""

    def rate(self, seconds: float) -> float:
        """Requests answered a second, measured for so long."""


class InProcess:
    """A function called in this process, with no server around it.

    Args:
        augment: computes a batch of requests.
        images: of one request.
        together: requests in one call: those of all clients where one alone is too small for an honest batch.
    """

    def __init__(self, augment: Augment, images: Images, together: int) -> None:
        self._augment = augment
        self._requests = [images] * together

    def answer(self) -> Images:
        """Answer the request once."""
        return self._augment(self._requests)[-1]

    def rate(self, seconds: float) -> float:
        """Requests a second."""
        started, count = time.perf_counter(), 0
        while not count or time.perf_counter() < started + seconds:
            self._augment(self._requests)
            count += len(self._requests)
        return count / (time.perf_counter() - started)


class OverHttp:
    """A server, asked by several clients at once."""

    def __init__(self, url: str, request: Request, clients: int) -> None:
        self._url = url
        self._request = request
        self._clients = clients

    def answer(self) -> Images:
        """Answer the request once."""
        return self._request.read(asyncio.run(clients.call(self._url, self._request)))

    def rate(self, seconds: float) -> float:
        """Requests a second."""
        return asyncio.run(clients.closed_loop(self._url, self._request, self._clients, seconds))


class Paused:
    """A contender whose processes stand still between its turns.

    LitServe's worker polls for requests, which would take time from whoever shares the machine with it.
    """

    def __init__(self, contender: Contender, process_group: int) -> None:
        self._contender = contender
        self._group = process_group
        os.killpg(self._group, signal.SIGSTOP)

    def answer(self) -> Images:
        """Answer the request once."""
        with self._running():
            return self._contender.answer()

    def rate(self, seconds: float) -> float:
        """Requests a second."""
        with self._running():
            return self._contender.rate(seconds)

    @contextmanager
    def _running(self) -> Iterator[None]:
        os.killpg(self._group, signal.SIGCONT)
        try:
            yield
        finally:
            os.killpg(self._group, signal.SIGSTOP)


def eager(store: ArtefactStore, images: Images, together: int) -> InProcess:
    """The plain network in this process."""
    model = workload.plain_model(store)
    return InProcess(lambda requests: plain.augment(model, requests), images, together)


def engine(store_url: str, images: Images, shape: Shape, together: int) -> InProcess:
    """The model server's engine in this process, without its batcher and without HTTP."""
    model = _loaded(store_url)
    request = InferenceRequest({"images": images}, parameters=dict(shape.options), outputs={"images": True})
    work = operations.prepare(model, "augment", request, max_rows=4096)

    def augment(requests: Sequence[Images]) -> list[Images]:
        found = list[Images]()
        for outputs in compute(work.key, [work.payload] * len(requests)):
            if isinstance(outputs, LatentaugError):
                raise outputs
            found.append(outputs["images"])
        return found

    return InProcess(augment, images, together)


@contextmanager
def litserve(store_url: str, images: Images, shape: Shape, home: Path) -> Iterator[Contender]:
    """LitServe with the plain network, its largest batch being a request of each client."""
    port = ports.free("127.0.0.1")
    arguments = ["-m", "bench.litserve_server", store_url, str(port), str(shape.clients)]
    with (home / "litserve.log").open("wb") as log:
        # A group of its own, to be stopped as one; in our session, so that the kernel ends it if we are killed.
        process = subprocess.Popen(tied([sys.executable, *arguments]), stdout=log, stderr=log, process_group=0)
        contender = OverHttp(f"http://127.0.0.1:{port}", workload.litserve_request(images), shape.clients)
        try:
            _wait(contender, process, home / "litserve.log")
            yield Paused(contender, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def check(contenders: dict[str, Contender]) -> None:
    """See that all give the same images: a contender that computes something else is not one.

    Ties between neighbours and the last bit of a sum may fall either way, so an odd pixel may differ.

    Raises:
        SystemExit: more than one pixel in a hundred differs by more than one grey level from the first contender's.
    """
    first, *others = contenders
    expected = contenders[first].answer().astype(np.int16)
    for name in others:
        answer = contenders[name].answer().astype(np.int16)
        if answer.shape != expected.shape or (np.abs(answer - expected) > 1).mean() > 0.01:
            raise SystemExit(f"{name} answers with other images than {first}; mend that before comparing their speed")


def _loaded(store_url: str) -> LoadedModel:
    """The model as the model server holds it, warmed up."""
    inference = Inference(Settings(threads=1), ArtefactStore(store_url))
    inference.batcher.start()
    try:
        return asyncio.run(inference.repository.get(workload.MODEL))
    finally:
        inference.batcher.stop()


def _wait(contender: Contender, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            contender.answer()
            return
        except ClientError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"LitServe did not start; see {log}") from error
            time.sleep(0.5)
