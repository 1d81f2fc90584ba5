"""uvicorn's HTTP/1.1 connection with limits: on the size of a request, its time, and how slowly a client reads."""

import asyncio
import fcntl
import socket
import struct
import termios
import uuid
from array import array
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kaboom.web.errors import BAD_REQUEST, HEADERS_TOO_LARGE, TIMED_OUT, TOO_LARGE, Answer, problem_response
from kaboom.web.server.connections import Connections

#: How many requests of one connection may wait behind the current one.
_MOST_PIPELINED = 16
#: Trailers are dropped: they arrive after the checks of headers and must not be treated as headers.
_TRAILERS: Any = deque(maxlen=0)


#: The part of a request that a connection reads. Plain integers, because they are compared often.
_NOTHING, _HEAD, _BODY = range(3)
#: Bytes after the last answer, which are read but not parsed.
_REST = 3
#: Bytes that a client takes in each window of time, at least: 1.6 kB/s.
_LEAST = 16 * 1024
#: Where Linux keeps tcpi_bytes_acked in its tcp_info.
_ACKED = struct.Struct("@120xQ")
#: Bytes of a request line and its headers, and headers in it.
MAX_HEAD = 64 * 1024
MAX_HEADERS = 128
#: The most bytes of a body that are read, with the framing of its chunks, even if the request is refused.
MAX_RAW_BODY = 8 * 1024 * 1024
#: The most bytes that are read and dropped after a refused head.
MAX_AFTER_HEAD = 1024 * 1024
#: Seconds for a head, for a body, for the next request, and for a client to take some of its answer.
WAIT_S = 10

NOT_HTTP = Answer(BAD_REQUEST, "the request was not valid HTTP/1.1")
HEAD_TOO_LARGE = Answer(
    HEADERS_TOO_LARGE, f"the request line and its headers were over {MAX_HEAD} bytes or {MAX_HEADERS} headers"
)
BODY_TOO_LARGE = Answer(TOO_LARGE, f"the body was over {MAX_RAW_BODY} bytes with the framing of its chunks")
TOO_SLOW = Answer(TIMED_OUT, f"the request was not complete {WAIT_S} s after it began")


class _Lingering:
    """The transport of an answer that may be sent before its request has been read. `close` waits for the client.

    A socket that is closed with unread bytes sends a reset, and the client may lose the answer.
    """

    def __init__(self, protocol: "BoundedProtocol") -> None:
        self._transport = protocol.transport
        self.write = self._transport.write
        self.is_closing = self._transport.is_closing
        self.close = protocol.linger


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `bound_protocol` makes the class of one server."""

    table: ClassVar[Connections]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading = _NOTHING
        #: Bytes read of the head or of the body, of the piece that is being parsed, and the heads begun so far.
        self._size = self._piece = self._begun = 0
        self._fault: Answer | None = None
        self._active: Any = None
        self._progress = Progress()
        self._deadline: int | None = None
        self.waits_since = 0

    # Called by asyncio.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and start the time limit of its first request."""
        super().connection_made(transport)
        self._lingering: Any = _Lingering(self)
        self._await_client()
        self.table.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the connection and disconnect the running request; uvicorn would disconnect the newest one."""
        self.table.drop(self)
        if self._is_answering():
            self._active.disconnected = True
            self._active.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data in pieces of limited size."""
        if self._reading is not _REST and self._size + len(data) <= MAX_HEAD:
            self._feed(data)
            return
        start = 0
        while start < len(data) and self._reading is not _REST and not self.transport.is_closing():
            room = MAX_HEAD - self._size if self._reading is _HEAD else MAX_HEAD
            self._feed(data[start : start + room])
            start += room
        if self._reading is _REST:
            self._drop_rest(len(data) - start)

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a head. The time limit of the first head started when the connection was made."""
        super().on_message_begin()
        self._reading = _HEAD
        self._begun += 1
        self._size = 0
        if self._begun > 1:
            self._deadline = self.table.tick + WAIT_S

    def on_headers_complete(self) -> None:
        """Start the answer, unless the head is too large."""
        if len(self.headers) > MAX_HEADERS or self._is_head_too_large():
            self._fault = HEAD_TOO_LARGE
        if self._fault or len(self.pipeline) >= _MOST_PIPELINED:
            raise ValueError("refused")
        super().on_headers_complete()
        self._reading = _BODY
        self._size = 0
        self.headers = _TRAILERS
        self.cycle.transport = self._lingering

    def on_message_complete(self) -> None:
        """Stop the time limit of the client while the request is answered."""
        super().on_message_complete()
        self._reading = _NOTHING
        self._size = 0
        self.cycle.transport = self.transport
        self._deadline = None
        if self.cycle.response_complete:
            self._await_client()

    # Called by uvicorn.

    def on_response_complete(self) -> None:
        """Wait for the next request, or start a waiting one."""
        super().on_response_complete()
        if self._reading is not _BODY and self.cycle.response_complete:
            self._await_client()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    # Called by `Connections`, and helpers.

    @property
    def rank(self) -> int | None:
        """The order in which connections are closed to make room, smallest first; None while a request is answered."""
        if self.cycle is None:
            return 0
        if self._is_answering() and not self._is_waited_for():
            return 2 if self.flow.write_paused else None
        return 1

    @property
    def has_unread(self) -> bool:
        """Whether bytes of the client have not been read yet."""
        return has_unread(self.transport)

    def check(self, tick: int) -> None:
        """End the connection if the client is too slow, in sending or reading."""
        unread = self.transport.get_write_buffer_size()
        if unread:
            if self._progress.has_stalled(self.transport, unread, tick):
                self._end("client_reads_nothing")
            return
        self._progress.reset()
        if self._deadline is None or tick <= self._deadline:
            return
        if self._reading is _REST or self.transport.is_closing():
            self._end("client_goes_on")
        elif self.flow.read_paused:
            # The server has paused reading, so the client is not late.
            self._await_client()
        elif self._reading is _NOTHING:
            self._await_client()
            self.transport.close()
        else:
            self._refuse(TOO_SLOW)

    def linger(self) -> None:
        """Close the sending side, and read from the client for a while, so that it receives the answer."""
        # The client may still send MAX_RAW_BODY bytes of a body, otherwise MAX_AFTER_HEAD bytes.
        self._size = 0 if self._reading is _BODY else MAX_RAW_BODY - MAX_AFTER_HEAD
        self._reading = _REST
        self._await_client()
        self.pipeline.clear()
        self.flow.resume_reading()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def _await_client(self) -> None:
        self.waits_since = next(self.table.turns)
        self._deadline = self.table.tick + WAIT_S

    def _feed(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        was, begun = self._reading, self._begun
        self._piece = len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # Upgrades are not supported, and the bytes that follow may not be HTTP.
            self._end_after_answer()
        except httptools.HttpParserError:
            self._refuse(self._fault or NOT_HTTP)
        self._piece = 0
        if self._reading is _HEAD:
            self._measure_head(len(piece), is_whole=was is _NOTHING and self._begun == begun + 1, begun=begun)
        elif self._reading is _BODY:
            self._size += len(piece)
            if self._size > MAX_RAW_BODY:
                self._refuse(BODY_TOO_LARGE)

    def _measure_head(self, count: int, *, is_whole: bool, begun: int) -> None:
        if is_whole or self._begun == begun:
            self._size += count
        else:
            self._size = self._parsed_size()
        if self._size >= MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE)

    def _is_head_too_large(self) -> bool:
        return self._size + self._piece > MAX_HEAD and self._parsed_size() > MAX_HEAD

    def _parsed_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, answer: Answer) -> None:
        """Send an error if no answer has begun, and stop parsing."""
        self.table.note(answer.problem.slug)
        is_answering = self._is_answering()
        if is_answering and not self._is_waited_for():
            self._end_after_answer()
            return
        if is_answering:
            self._active.disconnected = True
            self._active.message_event.set()
        if is_answering or self._reading is not _BODY:
            self.transport.write(build_refusal(answer, self.server_state.default_headers))
        self.linger()

    def _is_answering(self) -> bool:
        return self._active is not None and not self._active.response_complete

    def _is_waited_for(self) -> bool:
        """Return whether the app waits for the rest of the body that is being read."""
        return self._reading is _BODY and self._active is self.cycle and not self._active.response_started

    def _end_after_answer(self) -> None:
        """Close the connection once the running answer is sent, and parse no further request of it."""
        self._reading = _REST
        self._size = 0
        self._deadline = None
        self.pipeline.clear()
        self._active.keep_alive = False
        self._active.transport = self._lingering
        if self._active.response_complete:
            self.linger()

    def _drop_rest(self, count: int) -> None:
        self._unset_keepalive_if_required()
        self._size += count
        if self._size > MAX_RAW_BODY:
            self._end("client_goes_on")

    def _end(self, why: str) -> None:
        self.table.note(why)
        self.transport.abort()


def bound_protocol(most_connections: int) -> type[BoundedProtocol]:
    """Return the connection class of one server, with its maximum number of connections."""
    return type("BoundedProtocol", (BoundedProtocol,), {"table": Connections(most_connections)})


class Progress:
    """What a client had taken when its window began."""

    def __init__(self) -> None:
        self._began: int | None = None
        self._taken = 0

    def reset(self) -> None:
        """Note that nothing is left to take."""
        self._began = None

    def has_stalled(self, transport: asyncio.Transport, unread: int, tick: int) -> bool:
        """Return whether a client with bytes left to read has taken too few in its window."""
        taken = _count_taken(transport, unread)
        if self._began is None or taken - self._taken >= _LEAST:
            self._began, self._taken = tick, taken
        return tick - self._began > WAIT_S


def has_unread(transport: asyncio.Transport) -> bool:
    """Return whether a socket holds bytes that have not been read."""
    found = array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, found)
    except (OSError, ValueError):
        return False
    return found[0] > 0


def _count_taken(transport: asyncio.Transport, unread: int) -> int:
    """Return how many bytes the client has acknowledged; elsewhere than on Linux what has left our buffer."""
    info = getattr(socket, "TCP_INFO", None)
    try:
        acked: int = _ACKED.unpack(
            transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, info, _ACKED.size)
        )[0]
    except (OSError, TypeError, AttributeError, struct.error):
        return -unread
    return acked


def build_refusal(answer: Answer, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the whole of an HTTP answer, after which the connection is closed; it is in English."""
    request_id = uuid.uuid4().hex
    # What the request asked for is not known.
    response = problem_response(answer, path="", language="", request_id=request_id)
    status = HTTPStatus(response.status_code)
    head = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
    own = [(b"x-request-id", request_id.encode()), (b"connection", b"close")]
    head += [name + b": " + value for name, value in (*default_headers, *response.raw_headers, *own)]
    return b"\r\n".join([*head, b"", bytes(response.body)])
