"""A small HTTP server beside a process's work, for health and metrics, on a port of its own."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from batch.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

#: A probe and a scrape or two at once; the process beside has other work, and few files.
MOST_CONNECTIONS = 64


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket, which forked children do not keep.

    Raises:
        ConfigurationError: the port is taken, or not ours to take.

    """
    try:
        opened = socket.create_server((host, port), backlog=MOST_CONNECTIONS)
    except OSError as e:
        raise ConfigurationError(f"nothing can listen on {host}:{port}: {e.strerror}") from e
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # Linux keeps a connection to itself until its first bytes have come: silent ones take no place.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
    # A child that holds the port would keep it from the process that is started in its parent's place.
    os.register_at_fork(after_in_child=opened.close)
    return opened


async def serve(app: "ASGIApp", opened: socket.socket) -> None:
    """Answer requests on a socket until cancelled."""
    import uvicorn  # noqa: PLC0415  most processes serve nothing

    from app.server.options import server_options  # noqa: PLC0415  the same

    class Server(uvicorn.Server):
        """A server that leaves signals to the process that it lives in."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Capture none."""
            yield

    config = uvicorn.Config(app, lifespan="off", **server_options(MOST_CONNECTIONS))
    await Server(config).serve(sockets=[opened])
