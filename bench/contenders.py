"""Who takes part in the serving benchmark. Each answers the same request again and again at full speed, for a while."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch

from bench import clients, kernels, machine, plain, runtimes, workload
from bench.runtimes import Convert
from bench.workload import Images, Request, Shape
from latentaug.errors import LatentaugError
from latentaug.runtime.lifeline import tied
from latentaug.runtime.settings import Settings
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import architecture_of
from service.model_server import operations
from service.model_server.engine import compute
from service.model_server.loaded import TILES, LoadedModel
from service.model_server.serving import Serving
from service.oip.messages import InferenceRequest
from service.stack import ports

START_TIMEOUT = 90.0  # seconds
_SPAWN = multiprocessing.get_context("spawn")

Loop: TypeAlias = Callable[[str, Request, int, float], Coroutine[Any, Any, float]]
Augment: TypeAlias = Callable[[Sequence[Images]], list[Images]]


class Contender(Protocol):
    """Something that augments images."""

    def answer(self) -> Images:
        """Answer the request once: uint8 [n * k, h, w, c]."""

    def rate(self, seconds: float) -> float:
        """Measure the requests answered per second, for this many seconds."""


class InProcess:
    """A function called in a process of its own, with no server around it.

    In this process one contender would find the C library's memory as another one left it: our engine makes the library
    keep the memory that it frees, and plain PyTorch does not.

    Args:
        make: makes the function; it is called once, in the new process, with `arguments`.
        arguments: the arguments of `make`.
        images: the images of one request.
        together: requests in one call: those of all clients where a single one is too small for a fair batch.
    """

    def __init__(self, make: Callable[..., Augment], arguments: Sequence[Any], images: Images, together: int) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(make, arguments, [images] * together, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def answer(self) -> Images:
        """Answer the request once."""
        self._pipe.send(None)
        images: Images = self._pipe.recv()
        return images

    def rate(self, seconds: float) -> float:
        """Requests a second."""
        self._pipe.send(seconds)
        rate: float = self._pipe.recv()
        return rate

    def close(self) -> None:
        """End its process."""
        self._pipe.close()
        self._process.join()


def _serve(
    make: Callable[..., Augment], arguments: Sequence[Any], requests: Sequence[Images], pipe: Connection
) -> None:
    """Answer once when asked with None, or for as many seconds as asked, until nobody asks any more."""
    torch.set_num_threads(1)
    augment = make(*arguments)
    with suppress(EOFError):
        while True:
            seconds = pipe.recv()
            pipe.send(augment(requests)[-1] if seconds is None else _rate(augment, requests, seconds))


def _rate(augment: Augment, requests: Sequence[Images], seconds: float) -> float:
    return len(requests) * machine.rate(lambda: augment(requests), seconds)


class OverHttp:
    """A server, asked by several clients at once.

    Args:
        url: the server's URL.
        request: what is asked again and again.
        clients: how many ask.
        loop: asks for some seconds and gives the requests answered per second.
    """

    def __init__(self, url: str, request: Request, clients: int, loop: Loop = clients.closed_loop) -> None:
        self._url = url
        self._request = request
        self._clients = clients
        self._loop = loop

    def answer(self) -> Images:
        """Answer the request once."""
        return self._request.read(asyncio.run(clients.call(self._url, self._request)))

    def rate(self, seconds: float) -> float:
        """Requests a second."""
        return asyncio.run(self._loop(self._url, self._request, self._clients, seconds))


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


def eager(store_url: str, device: str) -> Augment:
    """Make the contender that is the plain network."""
    model = workload.plain_model(ArtefactStore(store_url), device=device)
    return lambda requests: plain.augment(model, requests, k=workload.CHILDREN, alpha=workload.ALPHA)


def runtime(store_url: str, device: str, convert: Convert) -> Augment:
    """Make the contender that is the plain network, converted for another runtime."""
    model = runtimes.converted(workload.plain_model(ArtefactStore(store_url), device=device), convert)
    return lambda requests: plain.augment(model, requests, k=workload.CHILDREN, alpha=workload.ALPHA)


def engine(
    store_url: str,
    device: str,
    options: Mapping[str, str | int | float],
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Augment:
    """Make the contender that is the model server's engine, without its batcher and without HTTP."""
    model, outputs = _loaded(store_url, device, precision), {"images": True}

    def augment(requests: Sequence[Images]) -> list[Images]:
        asked = [InferenceRequest({"images": each}, parameters=dict(options), outputs=outputs) for each in requests]
        work = [operations.prepare(model, "augment", each, max_rows=4096) for each in asked]
        found = list[Images]()
        for answer in compute(work[0].key, [each.payload for each in work]):
            if isinstance(answer, LatentaugError):
                raise answer
            found.append(answer["images"])
        return found

    return augment


def kernels_alone(store_url: str, device: str) -> Augment:
    """Make the contender that runs only the engine's kernels, in its largest tiles; it makes no images."""
    architecture = architecture_of(models.describe(ArtefactStore(store_url), workload.MODEL))

    @cache
    def tile(n: int) -> kernels.Call:
        return kernels.together(kernels.augmentation(architecture, n, workload.CHILDREN, device), device)

    def augment(requests: Sequence[Images]) -> list[Images]:
        images, rows = sum(len(each) for each in requests), TILES[device][-1]
        for start in range(0, images, rows):
            tile(min(rows, images - start))()
        return []

    return augment


@contextmanager
def litserve(store_url: str, device: str, images: Images, shape: Shape, home: Path, loop: Loop) -> Iterator[Contender]:
    """Make the contender that is the plain network behind LitServe; its largest batch is one request of each client.

    LitServe asks another interface of those who allow batches of one only, so two is the least.
    """
    port = ports.free("127.0.0.1")
    arguments = ["-m", "bench.litserve_server", store_url, str(port), str(max(2, shape.clients)), device]
    with (home / "litserve.log").open("wb") as log:
        # A group of its own, to be stopped as one; in our session, so that the kernel ends it if we are killed.
        process = subprocess.Popen(tied([sys.executable, *arguments]), stdout=log, stderr=log, process_group=0)
        contender = OverHttp(f"http://127.0.0.1:{port}", workload.litserve_request(images), shape.clients, loop)
        try:
            _wait(contender, process, home / "litserve.log")
            yield Paused(contender, process.pid)
        finally:
            with suppress(ProcessLookupError):  # it did not start, and the error that says so is on its way
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def check(contenders: dict[str, Contender]) -> None:
    """Check that all contenders make the same images.

    Ties between neighbours and the last bit of a sum may fall either way, so a few pixels may differ. The kernels alone
    make no images and are left out.

    Raises:
        SystemExit: more than one pixel in a hundred differs by more than one grey level from the first contender's.
    """
    first, *others = (name for name in contenders if name != kernels.NAME)
    expected = contenders[first].answer().astype(np.int16)
    for name in others:
        answer = contenders[name].answer().astype(np.int16)
        if answer.shape != expected.shape or (np.abs(answer - expected) > 1).mean() > 0.01:
            raise SystemExit(f"{name} answers with other images than {first}; mend that before comparing their speed")


def _loaded(store_url: str, device: str, precision: Literal["float32", "bfloat16"]) -> LoadedModel:
    """The model as the model server holds it, warmed up."""
    inference = Serving(Settings(threads=1, device=device, precision=precision), ArtefactStore(store_url))
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
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"LitServe did not start; see {log}") from error
            time.sleep(0.5)
