"""The origin of work: the id and the trace of a request, passed through the queue in message headers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from kaboom.telemetry.traces import continue_trace, current_traceparent

REQUEST_ID = "request_id"
#: The name in W3C Trace Context.
TRACEPARENT = "traceparent"


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
