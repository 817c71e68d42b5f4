"""An inference request on its way from bytes to answer: admission, batcher, engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import torch
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from latentaug.allocator import keep_freed
from latentaug.augment.spreading import Told
from latentaug.errors import DeadlineExceeded, LatentaugError, MalformedInput, TooLarge, Unavailable
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.compiled import load_runtime
from service.asgi.disconnect import while_connected
from service.asgi.taken import TakenResponse
from service.model_server import operations, specs
from service.model_server.aside import Aside
from service.model_server.batcher import Batcher
from service.model_server.engine import Key, Payload, compute
from service.model_server.loaded import LoadedModel, Outputs
from service.model_server.metrics import Metrics
from service.model_server.repository import Repository
from service.model_server.specs import Operation
from service.oip import messages as oip
from service.oip.tensors import Parameters

CLIENT_GONE = 499
AT_ONCE = 2**20
"""Bytes of a body that are gathered as they come before they are put together."""
LARGE_JSON_BYTES = 2**16
"""JSON of this size or more is read and written in a thread, so that it does not hold up everyone else."""


class Serving:
    """Serves the models of one device. It is used from one event loop.

    Args:
        settings: the settings of this process.
        store: where the models are kept.
        on_death: called in the engine's thread if that thread dies.
    """

    def __init__(
        self, settings: Settings, store: ArtefactStore, on_death: Callable[[BaseException], None] | None = None
    ) -> None:
        torch.set_num_threads(settings.threads)
        keep_freed()  # otherwise the system would clear the memory of every large tensor anew
        allow_tf32(settings.precision == "tf32")
        precision = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
        device = choose_device(settings.device)
        if device.type == "cpu":
            load_runtime()
        self.metrics = Metrics(device)
        self.batcher = Batcher[Key, Payload](
            compute,
            max_batch=settings.max_batch_samples,
            max_queue=settings.max_queue_samples,
            on_batch=self.metrics.batch,
            on_death=on_death,
        )
        self.aside = Aside()
        self.repository = Repository(store, device, precision, settings.model_cache_size, self._warm_up)
        self.metrics.queued.set_function(lambda: self.batcher.queued)
        self.metrics.in_flight.set_function(lambda: self._in_flight)
        self._max_rows = settings.max_images
        self._drain_seconds = settings.drain_seconds
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def ready(self) -> bool:
        """Whether new requests are taken."""
        return self.batcher.alive and not self._draining

    async def drain(self) -> None:
        """Take no more requests, and wait until those taken are answered, or for `drain_seconds`."""
        self._draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), self._drain_seconds)

    async def infer(self, request: Request) -> Response:
        """Answer one inference request.

        Raises:
            LatentaugError: what is wrong with it.
        """
        name, operation = specs.parse_name(request.path_params["model"])
        with self._admitted():
            started = time.monotonic()
            model = await self.repository.get(name, request.path_params.get("version"))
            status = 500
            try:
                response = await self._answer(request, model, operation, started)
                status = response.status_code
            except LatentaugError as error:
                status = error.status
                raise
            finally:
                self.metrics.answered(model, operation, status, time.monotonic() - started)
            return response

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        if not self.ready:
            raise Unavailable("the model server is stopping; try again shortly", retry_after=1)
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _warm_up(self, model: LoadedModel) -> None:
        await asyncio.wrap_future(self.batcher.submit(Key(model, "warm-up"), None, 0))

    async def _answer(self, request: Request, model: LoadedModel, operation: Operation, started: float) -> Response:
        asked = await self._read(request, model, operation)
        wanted = specs.wanted_outputs(model.description, operation, asked)
        work = operations.prepare(model, operation, asked, self._max_rows)
        deadline = started + timeout_seconds(asked.parameters)
        future = self.batcher.submit(work.key, work.payload, work.size, deadline)
        try:
            outputs = await outcome(request, future, deadline)
            if work.finish is not None:
                outputs = await self._finish(request, work.finish, outputs, deadline)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        answer = oip.InferenceResponse(
            model_name=request.path_params["model"],
            outputs={name: outputs[name] for name in wanted},
            model_version=model.description.version,
            id=asked.id,
        )
        json_bytes = sum(outputs[name].nbytes for name, binary in wanted.items() if not binary)
        if json_bytes < LARGE_JSON_BYTES:
            headers, buffers = oip.write_response(answer, wanted)
        else:
            headers, buffers = await asyncio.to_thread(oip.write_response, answer, wanted)
        return TakenResponse(buffers, headers)

    async def _finish(
        self, request: Request, finish: Callable[[Outputs, Told], Outputs], encoded: Outputs, deadline: float
    ) -> Outputs:
        """What is left to do once the engine is done, given up when the caller leaves or the deadline passes."""
        with self.aside.doing(lambda tell: finish(encoded, tell)) as future:
            return await outcome(request, future, deadline)

    async def _read(self, request: Request, model: LoadedModel, operation: Operation) -> oip.InferenceRequest:
        taken = specs.inputs(model.description, operation)
        limit = oip.MAX_HEAD_BYTES + self._max_rows * sum(spec.row_bytes for spec in taken)
        body = await read_body(request, limit)
        header = request.headers.get(oip.HEADER_LENGTH)
        raw = taken[0] if len(taken) == 1 else None
        if header is not None or len(body) < LARGE_JSON_BYTES:
            return oip.parse_request(body, header, raw)
        return await asyncio.to_thread(oip.parse_request, body, header, raw)


def allow_tf32(allowed: bool) -> None:
    """Set whether a GPU may compute float32 products in TF32. By default PyTorch lets it, in convolutions only."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed


def choose_device(name: str) -> torch.device:
    """Return the device that the setting `device` names.

    Raises:
        ValueError: this machine has no such device.
    """
    there = torch.cuda.device_count()
    known = {"auto": "cuda" if there else "cpu", "cpu": "cpu"}
    if there:
        known |= {"cuda": "cuda", **{f"cuda:{number}": f"cuda:{number}" for number in range(there)}}
    if name not in known:
        raise ValueError(f"there is no device {name!r}; LATENTAUG_DEVICE may be one of {', '.join(known)}")
    return torch.device(known[name])


async def read_body(request: Request, limit: int) -> bytes | memoryview:
    """Read the body of a request, and give up as soon as it exceeds the limit.

    A large one whose length is announced is put together in place, as it would be in memory twice otherwise.

    Raises:
        TooLarge: the body has more than `limit` bytes.
    """
    announced = request.headers.get("content-length", "0")
    total = int(announced) if announced.isdigit() and len(announced) < 19 else 0
    if total > limit:
        raise _too_large(limit)
    if total > AT_ONCE:
        whole, start = bytearray(total), 0
        async for chunk in request.stream():  # of just as many bytes, or the server hangs up
            whole[start : start + len(chunk)] = chunk
            start += len(chunk)
        return memoryview(whole).toreadonly()
    chunks, total = list[bytes](), 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit} bytes; send fewer rows at once")


def timeout_seconds(parameters: Parameters) -> float:
    """Return the seconds that the parameter `timeout`, in microseconds, allows; infinite where it is not given.

    Raises:
        MalformedInput: it is not a positive whole number.
    """
    timeout = parameters.get("timeout")
    if timeout is None:
        return float("inf")
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 < timeout < 2**63:
        raise MalformedInput("parameter timeout must be a positive whole number of microseconds")
    return timeout / 1e6


async def outcome(request: Request, future: Future[Outputs], deadline: float) -> Outputs:
    """Wait for a result until the deadline passes or the client leaves.

    Args:
        request: the request; its body must have been read.
        future: the result to come; cancelled if nobody wants it any more.
        deadline: when to give up, on the monotonic clock.

    Raises:
        DeadlineExceeded: the deadline has passed.
        ClientDisconnect: the client has left.
    """
    result = asyncio.wrap_future(future)
    left = None if deadline == float("inf") else deadline - time.monotonic()
    try:
        async with asyncio.timeout(left):
            return await while_connected(request, result)
    except TimeoutError as error:
        message = "the deadline passed before the answer was ready; send less or allow more time"
        raise DeadlineExceeded(message) from error
    finally:
        result.cancel()
