"""libcurl handles with the rules that every outgoing request shares, and libcurl's failures in words."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

import certifi

from kaboom.drivers.http.reply import BLANK_LINE, Reply, read_head
from kaboom.drivers.lazy import import_lazily

if TYPE_CHECKING:
    import pycurl
else:
    # It takes 6 MB, which a process without outgoing requests does not need.
    pycurl = import_lazily("pycurl")

#: A module that other modules import from here.
__all__ = ["pycurl"]

_CONNECT_S = 5.0
#: A callback that returns this ends the transfer.
STOP = -1
#: Messages of failures.
BROKEN_HEAD = "the connection broke in the headers of the answer"
UNSENDABLE = "the address or a header has characters that cannot be sent"

_STATUS_LINE = re.compile(rb"HTTP/\S+ +([0-9]{3})\b")
_FIRST_FINAL_STATUS = 200


def new_handle() -> pycurl.Curl:
    """Return a handle for HTTP/1.1 over http or https: no redirect, no proxy, no cookie, no netrc."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.PROXY, "")  # "" also ignores the proxies of the environment
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, round(_CONNECT_S * 1000))
    for option, place in find_authorities().items():
        curl.setopt(option, place)
    return curl


def set_headers(curl: pycurl.Curl, headers: Mapping[str, str]) -> None:
    """Set the headers of a request; libcurl would send a line break in one as it is.

    Raises:
        ValueError: a header has characters that cannot be sent.

    """
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError
    # With `Expect: 100-continue`, libcurl's default, a large body waits until the server allows it.
    curl.setopt(pycurl.HTTPHEADER, [*lines, "Expect:"])


def explain(curl: pycurl.Curl, error: pycurl.error, *, timeout_s: float) -> str:
    """Return the failure as a sentence that quotes no part of the request, which may hold a key."""
    code, words = cast("tuple[int, str]", error.args)
    match code:
        case pycurl.E_OPERATION_TIMEDOUT if curl.getinfo(pycurl.TOTAL_TIME) < timeout_s - 0.01:
            why = f"could not connect within {_CONNECT_S:g} s"
        case pycurl.E_OPERATION_TIMEDOUT:
            why = f"no answer within {timeout_s:g} s"
        case pycurl.E_COULDNT_CONNECT:
            number = curl.getinfo(pycurl.OS_ERRNO)
            why = f"could not connect: {os.strerror(number) if number else words}"
        case pycurl.E_COULDNT_RESOLVE_HOST:
            why = "could not connect: its name was not found"
        case pycurl.E_PEER_FAILED_VERIFICATION:
            why = f"the certificate was refused: {words.rpartition(': ')[2]}"
        case pycurl.E_SSL_CONNECT_ERROR:
            why = "TLS could not be agreed on"
        case _:
            why = f"the connection broke: {words}"
    return why


class Head:
    """Collects the headers of an answer, and ends the transfer after them if the body is not wanted.

    Attributes:
        has_stopped: whether this object ended the transfer; libcurl's error is then meaningless.

    """

    def __init__(self, wants_body: Callable[[int], bool]) -> None:
        self._wants_body = wants_body
        self._lines: list[bytes] = []
        self._status = 0
        self.has_stopped = False

    def take(self, line: bytes) -> int | None:
        """Take a line from libcurl."""
        self._lines.append(line)
        if found := _STATUS_LINE.match(line):
            self._status = int(found[1])
        is_end = line in BLANK_LINE and self._status >= _FIRST_FINAL_STATUS
        if not is_end or self._wants_body(self._status):
            return None
        self.has_stopped = True
        return STOP

    def reply(self) -> Reply:
        """Return the answer without a body, once the transfer is over."""
        headers, is_complete = read_head(self._lines)
        if not is_complete or self._status < _FIRST_FINAL_STATUS:
            return Reply(None, failure=BROKEN_HEAD)
        return Reply(self._status, headers)


@cache
def find_authorities() -> Mapping[int, str]:
    """Return the paths of the CA certificates: Python's, so that variables such as SSL_CERT_FILE apply here too."""
    paths = ssl.get_default_verify_paths()
    found = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    return {option: place for option, place in found.items() if place} or {pycurl.CAINFO: certifi.where()}
