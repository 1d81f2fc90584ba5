"""The gate: a token is checked, and a body measured, before a byte more is read than needed."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from kaboom.telemetry.logs import tap_lines
from kaboom.web.middleware import MAX_BODY, _trace_of
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, SCHEDULES, TOKEN, client_of, jobs_of

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
        (413, GOOD | {b"content-length": b"9" * 5_000}),
        (415, GOOD | {b"content-type": b"text/html"}),
    ],
)
async def test_a_refused_body_is_not_read(app: FastAPI, status: int, headers: dict[bytes, bytes]) -> None:
    wire = Wire()
    await app(scope(RUN_DAILY, headers), wire.receive, wire.send)
    assert wire.status == status


@pytest.mark.parametrize("media_type", ["Application/JSON", "application/json ;charset=UTF-8", "application/x+json"])
async def test_the_type_of_a_body_is_read_in_any_case_and_without_its_parameters(
    http: httpx2.AsyncClient, media_type: str
) -> None:
    answer = await http.post(RUN_DAILY, content=b"{}", headers={"Content-Type": media_type})
    assert answer.status_code == 422, answer.text


async def test_an_endless_body_is_read_up_to_the_limit(app: FastAPI) -> None:
    wire = Wire(endless())
    headers = GOOD | {b"transfer-encoding": b"chunked"}
    del headers[b"content-length"]
    await app(scope(RUN_DAILY, headers), wire.receive, wire.send)
    assert wire.status == 413
    assert wire.read <= MAX_BODY + 1024


async def test_what_came_before_the_client_left_is_not_the_whole_body(app: FastAPI) -> None:
    part = b'{"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": true}'
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": part, "more_body": True}, {"type": "http.disconnect"}]
    )
    wire = Wire()

    async def receive() -> Message:
        return next(messages)

    await app(scope(RUN_DAILY, GOOD), receive, wire.send)
    assert wire.status == 400
    async with client_of(app) as http:
        assert (await http.get(JOBS)).json()["items"] == []


async def test_a_body_longer_than_its_content_length_is_rejected(app: FastAPI) -> None:
    wire = Wire(endless())
    await app(scope(RUN_DAILY, GOOD), wire.receive, wire.send)
    assert wire.status == 413


async def test_two_host_headers_are_refused(app: FastAPI) -> None:
    wire = Wire(iter([]))
    asked = scope("/healthz", {}, "GET")
    asked["headers"] = [(b"host", b"kaboom"), (b"host", b"attacker.invalid")]
    await app(asked, wire.receive, wire.send)
    assert wire.status == 400
    assert b"problems/bad-request" in wire.sent[1]["body"]


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/{'a' * 32}", "/api/v1/calendar", "/api/v1/ingest/nothing"])
async def test_no_cache_keeps_what_needs_a_token(app: FastAPI, path: str, token: str) -> None:
    async with client_of(app, **{"x-ingest-token": token}) as http:
        answer = await http.get(path)
    assert answer.headers.get_list("cache-control") == ["private, no-store"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (RUN_DAILY, "POST"),
        (JOBS, "GET"),
        (f"{JOBS}/{'a' * 32}", "DELETE, GET"),
        (SCHEDULES, "GET, POST"),
        (f"{SCHEDULES}/{'a' * 32}", "DELETE, GET, PATCH"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_learns_every_right_one(http: httpx2.AsyncClient, path: str, methods: str) -> None:
    answer = await http.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_a_bug_is_answered_as_a_problem_and_logged_once(app: FastAPI, http: httpx2.AsyncClient) -> None:
    async def list_jobs(_: object) -> None:
        raise RuntimeError("a bug")

    jobs_of(app).parts.history.list_jobs = list_jobs  # type: ignore[method-assign,assignment]
    lines: list[str] = []
    end = tap_lines(lambda line: lines.append(str(line)))
    # What the app let through, the transport would raise here, and a server would log a second time.
    answer = await http.get(JOBS, headers={"X-Request-Id": "the-request"})
    end()
    assert (answer.status_code, answer.json()["request_id"]) == (500, "the-request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "the-request"
    assert "a bug" not in answer.text
    assert "Traceback" not in answer.text
    assert sum("a bug" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, "ab" * 16),
        ({"x-cloud-trace-context": f"{'cd' * 16}/123;o=1"}, "cd" * 16),
        ({"traceparent": "00-short-1-01"}, None),
        ({"x-cloud-trace-context": f"{'g' * 32}/1"}, None),
        ({}, None),
    ],
)
async def test_a_request_has_the_trace_of_its_proxy(headers: dict[str, str], trace: str | None) -> None:
    found = _trace_of({name.encode(): value.encode() for name, value in headers.items()})
    assert found.get("trace_id") == trace
