"""Answers to requests that never reach the app: its parser, its bounds or its deadlines refused them."""

import uuid
from collections.abc import Iterable
from http import HTTPStatus

from kaboom.web.errors import BAD_REQUEST, HEADERS_TOO_LARGE, TIMED_OUT, TOO_LARGE, Answer, problem_response

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
