"""The fake OpenRouter as a server on loopback."""

import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import orjson

from kaboom.analysis.fake_openrouter import FakeReply, answer, find_behaviour
from kaboom.cli.exits import CliError, Exit

_MOST_BYTES = 16 << 20


def open_server(port: int, *, slow_s: float) -> ThreadingHTTPServer:
    """Return a server on a port of this machine, not started yet; `slow` models answer after `slow_s` seconds.

    Raises:
        CliError: the port cannot be opened.

    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _build_handler(slow_s))
    except OSError as e:
        raise CliError(Exit.USAGE, f"port {port} could not be opened: {e.strerror}") from e
    server.daemon_threads = True
    return server


def _build_handler(slow_s: float) -> type[BaseHTTPRequestHandler]:
    seen, lock = Counter[str](), Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            content = self.rfile.read(min(int(length), _MOST_BYTES) if length.isdecimal() else 0)
            reply = self._answer(content)
            if reply.status is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in (*reply.headers.items(), ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(reply.body)

        def _answer(self, content: bytes) -> FakeReply:
            try:
                body = orjson.loads(content)
                model = str(body["model"])
                with lock:
                    seen[model] += 1
                if find_behaviour(model) == "slow":
                    time.sleep(slow_s)
                return answer(body, authorization=self.headers.get("Authorization", ""), seen=seen[model])
            except (KeyError, TypeError, ValueError, StopIteration):
                return FakeReply(400, b'{"error": {"code": 400, "message": "expected the body of an analysis"}}')

        def log_message(self, *_: object) -> None:
            # Callers log their own requests.
            pass

    return Handler
