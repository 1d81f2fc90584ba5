"""Whatever is wrong with a request, the answer is a 4xx problem at once, and nothing is queued."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.apps import JOBS, REPORT_BODY, RUN_DAILY, TOKEN, jobs_of

pytestmark = pytest.mark.anyio

FOUR_MB = b'{"intervals": {"1m": 1}, "symbols": ["' + b"7" * 4_000_000 + b'"]}'
MISSING = "a" * 32


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Send a body whose length is not declared."""
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


def body(**values: Any) -> dict[str, Any]:
    return {"json": REPORT_BODY | values}


def raw(content: bytes) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def typed(media_type: str) -> dict[str, Any]:
    return {"content": json.dumps(REPORT_BODY), "headers": {"Content-Type": media_type}}


def with_token(token: bytes) -> dict[str, Any]:
    return body() | {"headers": [(b"x-ingest-token", token)]}


BAD = {
    "no token": (401, with_token(b"")),
    "wrong token": (401, with_token(f"{TOKEN[:-1]}z".encode())),
    "longer token": (401, with_token(f"{TOKEN}-and-more".encode())),
    "Japanese token": (401, with_token("合言葉".encode())),
    "token of odd bytes": (401, with_token(b"\xff\xfe\x80")),
    "4 MB": (413, raw(FOUR_MB)),
    "64 KiB and a byte": (413, raw(b" " * (64 * 1024 + 1))),
    "broken JSON": (400, raw(b'{"intervals": {"1m": 1')),
    "JSON of single quotes": (400, raw(b"{'intervals': {'1m': 1}}")),
    "bytes that are no text": (400, raw(b"\xff\xfe")),
    "deep JSON": (400, raw(b"[" * 60_000)),
    "endless number": (400, raw(b'{"intervals": {"1m": ' + b"9" * 5_000 + b"}}")),
    "no body": (422, raw(b"")),
    "null": (422, raw(b"null")),
    "a list": (422, raw(b"[]")),
    "half a character": (422, raw(rb'{"intervals": {"1m": 1}, "market": "\ud800"}')),
    "half a character as key": (422, raw(rb'{"intervals": {"1m": 1}, "\ud800": 1}')),
    "half a character as interval": (422, raw(rb'{"intervals": {"\ud800": 1}}')),
    "no media type": (415, {"content": json.dumps(REPORT_BODY)}),
    "a form": (415, {"data": {"market": "TSE_PRIME"}}),
    "plain text": (415, typed("text/plain")),
    "nearly JSON": (415, typed("application/jsonp")),
    "no intervals": (422, {"json": {"market": "TSE_PRIME"}}),
    "empty intervals": (422, body(intervals={})),
    "unknown field": (422, body(interval="1m")),
    "unknown interval": (422, body(intervals={"7x": 1})),
    "days 0": (422, body(intervals={"1m": 0})),
    "days -5": (422, body(intervals={"1m": -5})),
    "days 10^9": (422, body(intervals={"1m": 10**9})),
    "days 10^30": (422, body(intervals={"1m": 10**30})),
    "days true": (422, body(intervals={"1m": True})),
    "days as text": (422, body(intervals={"1m": "500"})),
    "days 1.5": (422, body(intervals={"1m": 1.5})),
    "days null": (422, body(intervals={"1m": None})),
    "days NaN": (422, raw(b'{"intervals": {"1m": NaN}}')),
    "unknown market": (422, body(market="NASDAQ")),
    "market as number": (422, body(market=1)),
    "market that the provider lacks": (422, body(market="FILE")),
    "path as symbol": (422, body(symbols=["../../etc"])),
    "SQL as symbol": (422, body(symbols=["7203'; DROP TABLE jobs"])),
    "empty symbol": (422, body(symbols=[""])),
    "symbol as number": (422, body(symbols=[7203])),
    "5,000 symbols": (422, body(symbols=[f"{n:04}" for n in range(1301, 6301)])),
    "chunk_size 0": (422, body(chunk_size=0)),
    "chunk_size -1": (422, body(chunk_size=-1)),
    "chunk_size 10^9": (422, body(chunk_size=10**9)),
    "chunk_size as text": (422, body(chunk_size="500")),
    "unknown provider": (422, body(provider="../yahoo")),
    "provider without its key": (422, body(provider="jquants")),
    "provider that is not turned on": (422, body(provider="yahoo")),
    "session on a holiday": (422, body(session="2025-11-03")),
    "session on a Sunday": (422, body(session="2025-11-02")),
    "session to come": (422, body(session="2099-01-05")),
    "session at the end of time": (422, body(session="9999-12-31")),
    "session at its beginning": (422, body(session="0001-01-01")),
    "session that is no date": (422, body(session="2025-13-99")),
    "session with a time": (422, body(session="2025-11-04T00:00:00")),
    "dry_run as text": (422, body(dry_run="yes")),
}


@pytest.mark.parametrize(("status", "options"), BAD.values(), ids=BAD.keys())
async def test_a_bad_submission_is_refused_and_nothing_is_queued(
    http: httpx2.AsyncClient, app: FastAPI, status: int, options: dict[str, Any]
) -> None:
    # Of CPU, since client and API are this process: a machine that stands still for a second is no fault of theirs.
    spent_s = time.process_time()
    answer = await http.post(RUN_DAILY, **options)
    assert time.process_time() - spent_s < 1
    assert_problem(answer, status)
    await assert_nothing_queued(http, app)


async def test_a_reason_says_the_fault_alone(http: httpx2.AsyncClient) -> None:
    answer = await http.post(RUN_DAILY, **body(session="2025/11/04"))
    fault = {"pointer": "#/session", "detail": "was '2025/11/04', expected a date as YYYY-MM-DD"}
    assert answer.json()["errors"] == [fault]
    assert answer.json()["detail"] == f"#/session: {fault['detail']}"


async def test_a_body_of_undeclared_length_is_refused_when_it_gets_too_long(
    http: httpx2.AsyncClient, app: FastAPI
) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(await http.post(RUN_DAILY, content=in_pieces(FOUR_MB), headers=headers), 413)
    await assert_nothing_queued(http, app)


async def test_a_body_of_undeclared_length_is_taken_as_long_as_it_is_short(http: httpx2.AsyncClient) -> None:
    content = json.dumps(REPORT_BODY | {"dry_run": True}).encode()
    answer = await http.post(RUN_DAILY, content=in_pieces(content), headers={"Content-Type": "application/json"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (404, "GET", f"{JOBS}/{MISSING}"),
        (404, "GET", f"{JOBS}/{MISSING}/failures"),
        (404, "POST", f"{JOBS}/{MISSING}/cancel"),
        (404, "POST", f"{JOBS}/{MISSING}/retry"),
        (404, "DELETE", f"{JOBS}/{MISSING}"),
        (404, "GET", f"{JOBS}/7203"),
        (404, "GET", f"{JOBS}/{'A' * 32}"),
        (404, "GET", f"{JOBS}/{'a' * 31}%0a"),
        (404, "GET", f"{JOBS}/%00"),
        (404, "GET", f"{JOBS}/%ff%fe"),
        (404, "GET", f"{JOBS}/..%2f..%2fetc"),
        (404, "GET", f"{JOBS}/{MISSING}:chunks"),
        (404, "GET", "/nothing/here"),
        (422, "GET", f"{JOBS}/{'a' * 65}"),
        (405, "GET", RUN_DAILY),
        (405, "PUT", JOBS),
        (400, "GET", f"{JOBS}?cursor=nonsense"),
        (400, "GET", f"{JOBS}?cursor=%E6%97%A5"),
        (400, "GET", f"{JOBS}?cursor=WyIyMDI1LTExLTA0IiwiYSJd"),
        (422, "GET", f"{JOBS}?cursor={'a' * 201}"),
        (422, "GET", f"{JOBS}?q=%00"),
        (422, "GET", f"{JOBS}?q={'a' * 101}"),
        (422, "GET", f"{JOBS}?limit=0"),
        (422, "GET", f"{JOBS}?limit=201"),
        (422, "GET", f"{JOBS}?limit=ten"),
        (422, "GET", f"{JOBS}?status=done"),
        (422, "GET", f"{JOBS}?since=2025-11-04T00:00:00"),
        (422, "GET", f"{JOBS}?page=2"),
    ],
)
async def test_a_bad_question_is_refused(http: httpx2.AsyncClient, status: int, method: str, path: str) -> None:
    assert_problem(await http.request(method, path), status)


def assert_problem(answer: httpx2.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"].startswith("https://kaboom.invalid/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text


async def assert_nothing_queued(http: httpx2.AsyncClient, app: FastAPI) -> None:
    assert (await http.get(JOBS)).json() == {"items": [], "next_cursor": None, "searched_back_to": None}
    parts = jobs_of(app).parts
    assert await parts.store.newest("ingest") == []
    assert await parts.dispatcher.depth("ingest") == 0
