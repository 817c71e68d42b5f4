"""Traces: one trace spans the API, the model server and the worker's job, received by a real OTLP receiver."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from latentaug.imaging.archives import write_npy
from latentaug.runtime import tracing
from latentaug.runtime.settings import Settings
from tests.api import services

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


class Receiver:
    """An OTLP receiver over HTTP, in a thread; what it was sent stands in `spans`, with the name of the process."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        self.port = services.free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def of(self, process: str) -> list[Span]:
        return [span for name, span in self.spans if name == process and span.trace_id.hex() == TRACE]

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for part in sent.resource_spans:
            names = {pair.key: pair.value.string_value for pair in part.resource.attributes}
            self.spans += [(names["service.name"], span) for scope in part.scope_spans for span in scope.spans]
        return web.Response()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


def ask(client: httpx.Client) -> str:
    """An augment request and a train job, with one traceparent; return the job's id."""
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "asked-1"}
    images = write_npy(np.zeros((2, 8, 8), np.uint8))
    npy = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    answer = client.post("/v1/models/eight/augment?k=1", content=images, headers=headers | npy)
    assert answer.status_code == 200, answer.text
    params = {"dataset": "digits", "name": "traced", "latent_dim": 2, "epochs": 1}
    answer = client.post("/v1/jobs/train", json=params, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_one_trace_spans_api_model_server_and_job(receiver: Receiver) -> None:
    with services.home() as at:
        services.save_model(at.store, "eight", 8, 8, 1)
        traced = at.environment(otlp_endpoint=f"http://127.0.0.1:{receiver.port}")
        traced |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "LATENTAUG_QUEUES": '["train"]'}
        port = services.free_port()
        with (
            services.process("service.model_server", traced),
            services.process("worker", traced),
            services.process("service.api", traced | {"LATENTAUG_PORT": str(port)}),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        ):
            services.wait_until(lambda: services.answers(client) and client.get("/readyz").status_code == 200)
            job = ask(client)
            services.wait_until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "succeeded")
            services.wait_until(lambda: bool(receiver.of("latentaug-worker")), 20)

    api = {span.name: span for span in receiver.of("latentaug-api")}
    (computed,) = receiver.of("latentaug-model-server")
    (done,) = receiver.of("latentaug-worker")
    assert {"POST /v1/models/{model}/augment", "infer augment", "POST /v1/jobs/train", "enqueue train"} <= set(api)
    assert api["POST /v1/jobs/train"].parent_span_id.hex() == CALLER
    assert computed.parent_span_id == api["infer augment"].span_id
    assert done.parent_span_id == api["enqueue train"].span_id
    told = {pair.key: pair.value for pair in done.attributes}
    assert told["latentaug.job_id"].string_value == job
    request_ids = [pair.value.string_value for pair in computed.attributes if pair.key == "latentaug.request_id"]
    assert request_ids == ["asked-1"]


def test_nothing_is_traced_by_default(tmp_path: Path) -> None:
    tracing.configure(Settings(home=tmp_path), "test")
    with tracing.span("work", "SERVER", {"traceparent": f"00-{TRACE}-{CALLER}-01"}):
        assert tracing.carrier() == {}
    assert not tracing.active()


def test_without_the_extra_the_setting_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "INSTALLED", False)
    with pytest.raises(ValueError, match=r"pip install 'latentaug\[tracing\]'"):
        tracing.configure(Settings(home=tmp_path, otlp_endpoint="http://localhost:4318"), "test")
