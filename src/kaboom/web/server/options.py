"""How every server of Kaboom is set up."""

import resource
from typing import Any

import structlog

from kaboom.web.server.protocol import bound_protocol

#: Files beside connections: stores, logs, bars.
_RESERVE = 128

_log = structlog.get_logger(__name__)


def server_options(most_connections: int) -> dict[str, Any]:
    """Return the options of uvicorn for a server of so many connections at most, or of fewer where files are short."""
    fit = max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVE)
    if fit < most_connections:
        _log.warning("connections_limited", most=fit, wanted=most_connections, reason="few open files are allowed")
    return {
        "http": bound_protocol(min(fit, most_connections)),
        "ws": "none",
        # As many may be accepted before the first is counted. Beyond them a client's connect takes a second more.
        "backlog": min(fit // 2, 2048),
        # No uvicorn log configuration: its loggers go the way of ours.
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Otherwise any client on this machine could claim any address.
        "proxy_headers": False,
    }
