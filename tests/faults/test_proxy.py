"""The fault proxy does what it says, before anything is concluded from it."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.faults.lab.proxy import FaultProxy, Mode


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        with suppress(OSError):
            while data := self.request.recv(100):
                self.request.sendall(data)


@contextmanager
def echo_server() -> Iterator[int]:
    """Give the port of a server that sends back what it gets."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(5)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy before a server that sends back what it gets."""
    with echo_server() as port:
        made = FaultProxy(port)
        yield made
        made.close()


@contextmanager
def connected(proxy: FaultProxy) -> "Iterator[socket.socket]":
    """Give a connection to the proxy."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        yield client


def ask(client: socket.socket, text: bytes = b"hello", *, within_s: float = 5.0) -> bytes:
    """Send something and return what comes back."""
    client.settimeout(within_s)
    client.sendall(text)
    return client.recv(100)


def test_it_passes(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        assert ask(client) == b"hello"


def test_it_delays(proxy: FaultProxy) -> None:
    proxy.delay_s = 0.2
    with connected(proxy) as client:
        begun_at = time.monotonic()
        assert ask(client) == b"hello"
        assert time.monotonic() - begun_at >= 0.4


def test_it_cuts(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        ask(client)
        proxy.cut()
        with pytest.raises(ConnectionError):
            ask(client)


def test_it_refuses_and_listens_again_on_its_port(proxy: FaultProxy) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError), connected(proxy):
        pass
    proxy.heal()
    assert (proxy.port, proxy.mode) == (port, Mode.PASS)
    with connected(proxy) as client:
        assert ask(client) == b"hello"


def test_a_black_hole_takes_and_gives_nothing(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        ask(client)
        proxy.hold()
        with pytest.raises(TimeoutError):
            ask(client, within_s=0.3)
        with connected(proxy) as late, pytest.raises(TimeoutError):
            ask(late, within_s=0.3)


def test_a_stranded_connection_stays_open_and_a_new_one_works(proxy: FaultProxy) -> None:
    with connected(proxy) as old, connected(proxy) as new:
        ask(old)
        assert proxy.strand() >= 1
        with pytest.raises(TimeoutError):
            ask(old, within_s=0.3)
        new.close()
        with connected(proxy) as fresh:
            assert ask(fresh) == b"hello"


def test_an_answer_is_lost_once(proxy: FaultProxy) -> None:
    proxy.swallows = b"secret"
    with connected(proxy) as client:
        assert ask(client) == b"hello"
        with pytest.raises(ConnectionResetError):
            ask(client, b"the secret")
    assert proxy.swallowed == 1
