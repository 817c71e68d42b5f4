"""OpenTelemetry traces, made where `settings.otlp_endpoint` is set and the extra `tracing` is installed.

W3C's `traceparent` carries a trace from process to process: as a header between the API and the model server, as a
field of the job's record between the API and the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from latentaug.runtime.settings import Settings

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:
    INSTALLED = False
else:
    INSTALLED = True

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
Value = str | int | float | bool

EXPORT_SECONDS = 5.0
"""Longest wait for the collector, so that it does not keep a process from ending."""


class Tracer:
    """Makes the spans of one process.

    Args:
        endpoint: base URL of an OTLP receiver over HTTP; spans are sent to `<endpoint>/v1/traces`.
        service: name of the process in traces.
    """

    def __init__(self, endpoint: str, service: str) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": service}))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("latentaug")
        self._form = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, kind: Kind, carrier: Mapping[str, str]) -> Iterator[Span]:
        """Open a span whose parent is the one that `carrier` names, or else this context's."""
        parent = self._form.extract(carrier) if "traceparent" in carrier else None
        with self._tracer.start_as_current_span(name, parent, SpanKind[kind]) as span:
            made = Span(name)
            try:
                yield made
            finally:
                span.update_name(made.name)
                span.set_attributes(made.attributes)
                if made.fault is not None:
                    span.set_status(StatusCode.ERROR, made.fault)

    def carrier(self) -> dict[str, str]:
        """Return headers that name this context's span."""
        headers: dict[str, str] = {}
        self._form.inject(headers)
        return headers


class Span:
    """What a piece of work says about itself; sent when it ends.

    Attributes:
        name: what the work was; one of few, such as the template of a route.
        attributes: more about it, under OpenTelemetry's names where there are any.
        fault: what went wrong, or None.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[str, Value] = {}
        self.fault: str | None = None


_tracer: Tracer | None = None


def check(settings: Settings) -> None:
    """Refuse settings that ask for traces where nothing can make them.

    Raises:
        ValueError: the extra `tracing` is not installed.
    """
    if settings.otlp_endpoint is not None and not INSTALLED:
        raise ValueError("LATENTAUG_OTLP_ENDPOINT needs OpenTelemetry: pip install 'latentaug[tracing]', or unset it")


def configure(settings: Settings, service: str) -> None:
    """Start tracing this process, if the settings say so.

    Raises:
        ValueError: they do, but the extra `tracing` is not installed.
    """
    global _tracer  # noqa: PLW0603 (a process has one, as it has one root logger)
    check(settings)
    if settings.otlp_endpoint is not None:
        _tracer = Tracer(settings.otlp_endpoint, service)


def active() -> bool:
    """Return whether this process is traced."""
    return _tracer is not None


@contextmanager
def span(name: str, kind: Kind, carrier: Mapping[str, str] | None = None) -> Iterator[Span]:
    """Trace what is done within.

    Args:
        name: name of the span; it may be changed until the span ends.
        kind: whether this process asks or answers, directly or through a queue.
        carrier: headers or fields, in lower case, that may hold a `traceparent`; an invalid one is ignored.
    """
    if _tracer is None:
        yield Span(name)
        return
    with _tracer.span(name, kind, carrier or {}) as made:
        yield made


def carrier() -> dict[str, str]:
    """Return headers with which another process can continue this trace; empty where nothing is traced."""
    return {} if _tracer is None else _tracer.carrier()


def shutdown() -> None:
    """Send the spans that have not been sent yet, which takes a few seconds at most, and stop tracing."""
    global _tracer  # noqa: PLW0603
    if _tracer is not None:
        _tracer.provider.shutdown()
        _tracer = None
