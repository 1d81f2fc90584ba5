"""Where work comes from: the request's id and trace, carried through the queue in the headers of messages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from app.telemetry.traces import continue_trace, current_traceparent

REQUEST_ID = "request_id"
#: As W3C Trace Context names it.
TRACEPARENT = "traceparent"


def outgoing_headers() -> dict[str, str]:
    """Return what a message that is sent now tells of its origin; {} where nobody asked, as in the reaper."""
    said = {REQUEST_ID: structlog.contextvars.get_contextvars().get(REQUEST_ID), TRACEPARENT: current_traceparent()}
    return {name: value for name, value in said.items() if isinstance(value, str)}


@contextmanager
def continue_from(headers: Mapping[str, object]) -> Iterator[None]:
    """Work in the context that a message's headers tell of: its request id in every log line, its trace."""
    traceparent, request_id = headers.get(TRACEPARENT), headers.get(REQUEST_ID)
    words = {REQUEST_ID: request_id} if isinstance(request_id, str) else {}
    with structlog.contextvars.bound_contextvars(**words), continue_trace(traceparent):
        yield
