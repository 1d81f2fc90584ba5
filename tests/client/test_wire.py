"""HTTP of the client: which error an answer becomes, which read is made again, and how events are read."""

import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson
import polars as pl
import pytest

from kaboom.client.connection import ServerSource
from kaboom.client.source import Asked
from kaboom.client.wire import MOST_WAIT_S, Retries, Wire, _pause_s, parse_events, raise_problem
from kaboom.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    KaboomError,
    NotAuthorized,
    NotFound,
    Problem,
    TooManyRequests,
    Unavailable,
)
from kaboom.market.bar import BAR_SCHEMA
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Request, Response, serving

SAID = {"title": "No", "detail": "why", "request_id": "r-1"}


def error_of(status: int, said: Any = SAID, **headers: str) -> KaboomError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(KaboomError) as caught:
        raise_problem(httpx2.Response(status, content=orjson.dumps(said), headers=named))
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, InvalidRequest, False),
        (401, NotAuthorized, False),
        (403, Forbidden, False),
        (404, NotFound, False),
        (409, Conflict, False),
        (422, InvalidRequest, False),
        (429, TooManyRequests, True),
        (500, Unavailable, False),
        (502, Unavailable, False),
        (503, Unavailable, True),
    ],
)
def test_a_status_is_an_error_of_its_kind(status: int, kind: type[KaboomError], *, retryable: bool) -> None:
    error = error_of(status)
    assert (type(error), error.retryable, error.message) == (kind, retryable, "No: why (request r-1)")
    problem = error.__cause__
    assert isinstance(problem, Problem)
    assert (problem.status, problem.said) == (status, SAID)


def test_the_first_faulty_field_is_pointed_at() -> None:
    errors = [{"pointer": "#/symbols/0"}, {"pointer": "#/market"}]
    error = error_of(422, SAID | {"errors": errors})
    assert isinstance(error, InvalidRequest)
    assert error.pointer == "/symbols/0"
    without = error_of(422)
    assert isinstance(without, InvalidRequest)
    assert without.pointer == ""


def test_bars_are_asked_for_by_all_of_their_symbols() -> None:
    symbols, asked = tuple(map(str, range(1300, 1500))), list[str]()

    def answer(request: Request) -> Response:
        asked.extend(parse_qs(urlsplit(request.target).query)["symbols"][0].split(","))
        out = io.BytesIO()
        pl.DataFrame(schema=BAR_SCHEMA).write_ipc_stream(out)
        return Response(200, out.getvalue())

    with serving(answer) as url:
        assert ServerSource(Wire(url, TOKEN)).bars(Asked("1d", symbols)).is_empty()
    assert asked == list(symbols)


def test_a_pause_that_the_server_asks_for_is_told() -> None:
    assert error_of(429, retry_after="7").retry_after_s == 7
    assert error_of(429).retry_after_s is None


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"title": "No"}'])
def test_an_answer_without_a_problem_is_told_by_its_status_and_its_first_letters(content: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        raise_problem(httpx2.Response(502, content=content + b"x" * 300))
    assert caught.value.message == f"HTTP 502: {(content + b'x' * 300)[:200].decode()}"


@pytest.mark.parametrize(("asked", "pause_s"), [(None, 1), ("0", 0), ("60", 60), ("61", MOST_WAIT_S), ("soon", 1)])
def test_a_read_waits_as_long_as_it_is_asked_to_and_a_minute_at_most(asked: str | None, pause_s: float) -> None:
    assert _pause_s(httpx2.Response(429, headers={"Retry-After": asked} if asked else {})) == pause_s


def test_reads_alone_are_made_again_and_as_often_as_was_said() -> None:
    asked = list[str]()

    def answer(request: Request) -> Response:
        asked.append(f"{request.method} {request.target}")
        return Response(429, orjson.dumps(SAID), {"Retry-After": "0"})

    with serving(answer) as url:
        for method, retries, calls in (("GET", Retries(2), 3), ("POST", Retries(2), 1), ("GET", Retries(2, (503,)), 1)):
            asked.clear()
            with pytest.raises(TooManyRequests):
                Wire(f"{url}/", TOKEN, retries=retries).ask(method, "/x")
            assert asked == [f"{method} /x"] * calls


def test_a_call_has_its_token_and_language_and_the_empty_answer_is_none() -> None:
    asked = list[Request]()

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(200, b"" if request.method == "DELETE" else b"no JSON")

    with serving(answer) as url:
        wire = Wire(url, TOKEN, language="ja")
        assert wire.call("DELETE", "/x") is None
        with pytest.raises(Unavailable, match=f"^{url} answered something else than JSON$"):
            wire.call("POST", "/x", json={}, headers={"idempotency-key": "k"})
    first, second = asked
    assert (first.headers["x-ingest-token"], first.headers["accept-language"]) == (TOKEN, "ja")
    assert "content-type" not in first.headers
    assert (second.headers["content-type"], second.headers["idempotency-key"]) == ("application/json", "k")
    assert second.body == b"{}"


def test_an_event_has_an_id_and_data_and_ends_with_an_empty_line() -> None:
    lines = [
        "id: 1",
        "event: x",
        "data: {}",
        "",
        "data: lost",
        "",
        ": a comment",
        "",
        "id:2",
        "data:  two",
        "",
        "id: 3",
    ]
    assert list(parse_events(lines)) == [("1", "{}"), ("2", " two")]
