"""A small HTTP server for health and metrics, on its own port, beside the main work of a process."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaboom.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

#: Enough for a few probes and scrapes at once; the process needs its open files for its main work.
MOST_CONNECTIONS = 64


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket, which forked children do not keep.

    Raises:
        ConfigurationError: the port is in use, or this user may not open it.

    """
    try:
        opened = socket.create_server((host, port), backlog=MOST_CONNECTIONS)
    except OSError as e:
        raise ConfigurationError(f"nothing can listen on {host}:{port}: {e.strerror}") from e
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # Linux accepts a connection only when its first bytes arrive, so that silent connections take no slot.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
    # A child that kept the socket open would block the port for the process that replaces its parent.
    os.register_at_fork(after_in_child=opened.close)
    return opened


async def serve(app: "ASGIApp", opened: socket.socket) -> None:
    """Answer requests on a socket until cancelled."""
    import uvicorn  # noqa: PLC0415  most processes serve nothing

    from kaboom.web.server.options import server_options  # noqa: PLC0415  the same

    class Server(uvicorn.Server):
        """A server that leaves signals to its process."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Capture none."""
            yield

    config = uvicorn.Config(app, lifespan="off", **server_options(MOST_CONNECTIONS))
    await Server(config).serve(sockets=[opened])
