"""Traces: spans of OpenTelemetry if a collector is set, and the headers that carry their origin through a queue."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from kaboom.errors import ConfigurationError

if TYPE_CHECKING:
    # From the extra [otel], which is imported only if tracing is on.
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer


#: How long a process waits for its last spans to be sent when it ends; a worker has 10 s to end.
_FLUSH_MS = 1_000
REQUEST_ID = "request_id"
#: The name in W3C Trace Context.
TRACEPARENT = "traceparent"


@dataclass(slots=True)
class _State:
    """The one tracer of a process."""

    provider: "TracerProvider | None" = None
    tracer: "Tracer | None" = None


_state = _State()


def start_tracing(endpoint: str, *, service: str) -> "TracerProvider":
    """Send the spans of this process to an OTLP/HTTP collector; call this after the fork, because it starts a thread.

    FastAPI itself opens a span for each request with the provider that this returns.

    Raises:
        ConfigurationError: the extra [otel] is not installed.

    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  the same
    except ImportError as e:
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT was set and OpenTelemetry is not installed: install kaboom-api[otel]"
        ) from e
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _state.provider, _state.tracer = provider, provider.get_tracer("kaboom")
    return provider


def stop_tracing() -> None:
    """Send the remaining spans, for at most a second."""
    if _state.provider is not None:
        _state.provider.force_flush(_FLUSH_MS)
        _state.provider = _state.tracer = None


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """Record a `with` as a span below the current span; an exception is recorded, too."""
    if _state.tracer is None:
        yield
        return
    with _state.tracer.start_as_current_span(name, attributes=attributes):
        yield


def current_traceparent() -> str | None:
    """Return the current span as W3C's `traceparent`; None if tracing is off or no span is open."""
    if _state.tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  as above

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continue_trace(traceparent: object) -> Iterator[None]:
    """Within a `with`, open spans below a span of another process; without a valid `traceparent`, start a new trace."""
    if _state.tracer is None or not isinstance(traceparent, str):
        yield
        return
    from opentelemetry import context  # noqa: PLC0415  as above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  as above

    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


def outgoing_headers() -> dict[str, str]:
    """Return the headers for a message that is sent now; {} if no request caused it, as in the reaper."""
    said = {REQUEST_ID: structlog.contextvars.get_contextvars().get(REQUEST_ID), TRACEPARENT: current_traceparent()}
    return {name: value for name, value in said.items() if isinstance(value, str)}


@contextmanager
def continue_from(headers: Mapping[str, object]) -> Iterator[None]:
    """Within a `with`, add the request id of a message's headers to every log line, and continue its trace."""
    traceparent, request_id = headers.get(TRACEPARENT), headers.get(REQUEST_ID)
    words = {REQUEST_ID: request_id} if isinstance(request_id, str) else {}
    with structlog.contextvars.bound_contextvars(**words), continue_trace(traceparent):
        yield
