"""The gate: a token is checked, and a body measured, before a byte more is read than needed."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from app.auth import MARKET_PREFIXES
from app.middleware import MAX_BODY
from tests.fixtures.apps import JOBS, RUN_DAILY, SCHEDULES, TOKEN

pytestmark = pytest.mark.anyio


class Wire:
    """A connection that counts what is read of the body, and keeps what is sent."""

    def __init__(self, pieces: Iterator[bytes] | None = None) -> None:
        self._pieces = pieces
        self.read = 0
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> Message:
        assert self._pieces is not None, "the body was read"
        piece = next(self._pieces, b"")
        self.read += len(piece)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


def scope(path: str, headers: dict[bytes, bytes], method: str = "POST") -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers.items()),
        "server": ("kaboom", 80),
        "client": ("127.0.0.1", 1),
    }


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * 1024


JSON = {b"content-type": b"application/json", b"content-length": b"60"}
GOOD = JSON | {b"x-ingest-token": TOKEN.encode()}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, JSON),
        (401, JSON | {b"x-ingest-token": b"wrong"}),
        (401, {b"content-length": b"4000000"}),
        (413, GOOD | {b"content-length": b"65537"}),
        (413, GOOD | {b"content-length": b"9" * 400}),
        (415, GOOD | {b"content-type": b"text/html"}),
    ],
)
async def test_a_refused_body_is_not_read(app: FastAPI, status: int, headers: dict[bytes, bytes]) -> None:
    wire = Wire()
    await app(scope(RUN_DAILY, headers), wire.receive, wire.send)
    assert wire.status == status


async def test_a_body_that_does_not_end_is_read_to_the_limit_and_no_further(app: FastAPI) -> None:
    wire = Wire(endless())
    headers = GOOD | {b"transfer-encoding": b"chunked"}
    del headers[b"content-length"]
    await app(scope(RUN_DAILY, headers), wire.receive, wire.send)
    assert wire.status == 413
    assert wire.read <= MAX_BODY + 1024


async def test_a_body_longer_than_it_said_is_refused(app: FastAPI) -> None:
    wire = Wire(endless())
    await app(scope(RUN_DAILY, GOOD), wire.receive, wire.send)
    assert wire.status == 413


GUARDED = [JOBS, "/api/v1/ingest", "/api/v1/ingest/", "/api/v1/ingest/nothing", f"{JOBS}/stats", SCHEDULES]
GUARDED += [*MARKET_PREFIXES, "/api/v1/bars/7203", "/api/v1/bars/latest"]


@pytest.mark.parametrize("path", [*GUARDED, f"{SCHEDULES}/", f"{SCHEDULES}/{'a' * 32}/run"])
async def test_what_is_guarded_needs_the_token(app: FastAPI, path: str) -> None:
    wire = Wire(iter([]))
    await app(scope(path, {}, "GET"), wire.receive, wire.send)
    assert wire.status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
async def test_what_watches_the_service_needs_none(app: FastAPI, path: str) -> None:
    wire = Wire(iter([]))
    await app(scope(path, {}, "GET"), wire.receive, wire.send)
    assert wire.status == 200
