"""The body of an HTTP answer: decoded, and refused unless it is known to be whole; pure."""

from collections.abc import Mapping
from http import HTTPStatus

from isal import isal_zlib

#: The `Accept-Encoding` that clients must send: `read_body` decodes no other encoding.
ACCEPTED_ENCODING = "gzip"

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"
#: zlib's number for a gzip header and trailer: the CRC and the length at the end are checked.
_GZIP_BITS = 31
#: Media types whose truncated bodies cannot be parsed, so they need no length. (InfluxDB's JSON lines say `partial`
#: until the last.)
_ENDS_BY_ITSELF = ("application/json", "application/vnd.apache.parquet")
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class BrokenBody(Exception):
    """A body that is not whole or cannot be decoded; the message holds no byte of it."""


def read_body(status: int, headers: Mapping[str, str], packed: bytes, most_bytes: int) -> bytes:
    """Return the decoded body of an answer whose framing (Content-Length or chunks) was found to be whole.

    `headers` must find names in any case. A body that ends with the connection may be cut short. It is accepted if it
    is gzip, JSON or Parquet, whose readers notice a missing end, or if it is the text of an error.

    Raises:
        BrokenBody: the encoding is not gzip, the gzip is damaged or cut short, the decoded body is longer than
            `most_bytes`, or the end of the body is unknown.

    """
    is_framed = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    if status in _BODILESS or (is_framed and not packed):
        return b""
    encodings = [name.strip() for name in headers.get("Content-Encoding", "").lower().split(",")]
    match [name for name in encodings if name not in {"", "identity"}]:
        case []:
            if is_framed or status >= HTTPStatus.BAD_REQUEST or (packed and _ends_by_itself(headers)):
                return packed
            raise BrokenBody("the answer had no length, so it may be cut short")
        case [name] if name in _GZIP:
            return gunzip(packed, most_bytes)
        case others:
            raise BrokenBody(f"the answer was encoded as {', '.join(others)[:40]!r}, expected gzip or no encoding")


def gunzip(packed: bytes, most_bytes: int) -> bytes:
    """Return the decompressed content of a gzip of one or more members.

    Raises:
        BrokenBody: the gzip is damaged or cut short, other bytes follow it, or it holds more than `most_bytes`.

    """
    parts, left = list[bytes](), most_bytes
    while packed or not parts:
        if parts and not packed.startswith(_MAGIC):
            raise BrokenBody(f"the answer had {len(packed):,} bytes after its gzip")
        member = isal_zlib.decompressobj(wbits=_GZIP_BITS)
        try:
            parts.append(member.decompress(packed, left + 1))
        except isal_zlib.error as e:  # type: ignore[misc]  # its stubs call it a value
            raise BrokenBody("the answer's gzip was damaged") from e
        left -= len(parts[-1])
        if left < 0:
            raise BrokenBody(f"the answer was longer than {most_bytes:,} bytes")
        if not member.eof:
            raise BrokenBody("the answer's gzip was cut short")
        packed = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _ends_by_itself(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() in _ENDS_BY_ITSELF
