"""Bodies of HTTP answers: gzip is decoded to its trailer, and what may be cut short is refused."""

import gzip
import json
import random
import zlib

import pytest

from kaboom.drivers.http.client import BrokenBody, gunzip, read_body
from kaboom.drivers.http.reply import Headers

TEXT = json.dumps([random.Random(7).randrange(10**6) for _ in range(300)]).encode()
PACKED = gzip.compress(TEXT)
MOST = 1 << 20


def refusal(status: int, body: bytes, **headers: str) -> str:
    """Return why a body is refused, "" if it is not."""
    named = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    try:
        read_body(status, named, body, MOST)
    except BrokenBody as e:
        return str(e)
    return ""


def test_a_gzip_is_decoded() -> None:
    assert gunzip(PACKED, len(TEXT)) == TEXT
    assert gunzip(gzip.compress(b""), 0) == b""


def test_a_gzip_cut_at_any_byte_is_refused() -> None:
    for n in range(len(PACKED)):
        with pytest.raises(BrokenBody, match="cut short"):
            gunzip(PACKED[:n], MOST)


def test_a_gzip_with_any_byte_changed_gives_its_text_or_is_refused() -> None:
    for n in range(len(PACKED)):
        damaged = bytearray(PACKED)
        damaged[n] ^= 0x55
        try:
            assert gunzip(bytes(damaged), MOST) == TEXT, n
        except BrokenBody:
            continue


def test_all_members_of_a_gzip_are_decoded() -> None:
    assert gunzip(PACKED + gzip.compress(b"more") + PACKED, MOST) == TEXT + b"more" + TEXT
    for n in range(1, len(PACKED)):
        with pytest.raises(BrokenBody):
            gunzip(PACKED + PACKED[:n], MOST)


@pytest.mark.parametrize("rest", [b"\0" * 8, b"more", b"\x1f", zlib.compress(TEXT)])
def test_bytes_after_a_gzip_are_refused(rest: bytes) -> None:
    with pytest.raises(BrokenBody, match=f"had {len(rest)} bytes after its gzip"):
        gunzip(PACKED + rest, MOST)


def test_a_gzip_that_holds_too_much_is_refused() -> None:
    with pytest.raises(BrokenBody, match=r"longer than 1,048,576 bytes"):
        gunzip(gzip.compress(bytes(64 << 20)), MOST)
    with pytest.raises(BrokenBody, match="longer"):
        gunzip(gzip.compress(bytes(MOST)) + gzip.compress(b"x"), MOST)
    assert len(gunzip(gzip.compress(bytes(MOST)), MOST)) == MOST


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "br, gzip", "nonsense"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    why = refusal(200, PACKED, content_length=str(len(PACKED)), content_encoding=encoding)
    assert why == f"the answer was encoded as {encoding!r}, expected gzip or no encoding"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity, gzip"])
def test_gzip_has_several_names(encoding: str) -> None:
    headers = Headers([("content-encoding", encoding), ("Content-Length", str(len(PACKED)))])
    assert read_body(200, headers, PACKED, MOST) == TEXT


@pytest.mark.parametrize("kind", ["text/csv", "text/plain; charset=utf-8", "application/octet-stream", ""])
def test_a_body_without_a_length_or_an_end_of_its_own_is_refused(kind: str) -> None:
    why = "the answer had no length, so it may be cut short"
    assert refusal(200, b"7203,100\n", content_type=kind) == why
    assert refusal(200, b"", content_type=kind) == why
    assert refusal(200, b"7203,100\n", content_type=kind, content_length="9") == ""
    assert refusal(200, b"7203,100\n", content_type=kind, transfer_encoding="chunked") == ""
    assert refusal(503, b"out of order", content_type=kind) == ""


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.apache.parquet"]
)
def test_a_body_with_an_end_of_its_own_needs_no_length(kind: str) -> None:
    assert refusal(200, b"{}", content_type=kind) == ""
    # None of it came: for Parquet that would mean "no rows".
    assert refusal(200, b"", content_type=kind) == "the answer had no length, so it may be cut short"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_needs_no_length(status: int) -> None:
    assert refusal(status, b"", content_encoding="gzip") == ""
