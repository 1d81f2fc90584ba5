"""What a problem says, in which language, and under which id it is found in the log."""

import re
from http import HTTPStatus

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.cli.client import join_title
from kaboom.text.catalogue import pair_of
from kaboom.web import errors as edge
from kaboom.web.errors import Problem, _fits, _to_pointer, accepted_language, describe_problems
from tests.fixtures.jobs.apps import REPORT_BODY, RUN_DAILY, client_of
from tests.text.texts import JAPANESE

pytestmark = pytest.mark.anyio
PROBLEMS = [member for member in vars(edge).values() if isinstance(member, Problem)]
SEPARATOR = {"en": ": ", "ja": "\N{FULLWIDTH COLON}"}


async def test_a_problem_has_the_fields_of_rfc_9457(http: httpx2.AsyncClient) -> None:
    answer = await http.post(RUN_DAILY, json=REPORT_BODY | {"intervals": {"7m": 1}})
    detail = "interval was '7m', supported are 1m, 5m, 15m, 1h, 1d"
    assert answer.json() == {
        "type": "https://kaboom.invalid/problems/invalid-request",
        "title": "The request cannot be carried out",
        "status": 422,
        "detail": detail,
        "instance": RUN_DAILY,
        "request_id": answer.headers["x-request-id"],
        "errors": [{"pointer": "#/intervals", "detail": detail}],
    }


async def test_every_faulty_field_is_named_by_its_pointer(http: httpx2.AsyncClient) -> None:
    body = {"intervals": {"1m": 0}, "symbols": ["7203", 5], "a/b~c": 1}
    errors = (await http.post(RUN_DAILY, json=body)).json()["errors"]
    assert {e["pointer"] for e in errors} == {"#/intervals/1m", "#/symbols/1", "#/a~1b~0c"}


async def test_a_fault_of_the_whole_body_points_to_the_whole(http: httpx2.AsyncClient) -> None:
    errors = (await http.post(RUN_DAILY, json=[])).json()["errors"]
    assert [e["pointer"] for e in errors] == ["#"]


async def test_at_most_twenty_errors_are_reported(http: httpx2.AsyncClient) -> None:
    answer = await http.post(RUN_DAILY, json=REPORT_BODY | {f"field_{n}": n for n in range(100)})
    assert len(answer.json()["errors"]) == 20
    assert len(answer.content) < 4_000


async def test_a_callers_long_key_is_not_thrown_back_whole(http: httpx2.AsyncClient) -> None:
    answer = await http.post(RUN_DAILY, json=REPORT_BODY | {"x" * 60_000: 1})
    assert len(answer.content) < 1_000


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("ja", "ja"),
        ("ja-JP", "ja"),
        ("ja,en;q=0.8", "ja"),
        ("en", "en"),
        ("en-GB,ja;q=0.5", "en"),
        ("en;q=0.2, ja;q=0.9", "ja"),
        ("fr, ja", "ja"),
        ("ja;q=0", "en"),
        ("ja;q=high", "en"),
        ("ja;q=0.5, en;q=0.5", "ja"),
        ("en, JA", "en"),
        ("JA, en", "ja"),
        ("japanese", "en"),
        ("*", "en"),
        ("", "en"),
    ],
)
async def test_problems_speak_the_language_asked_for(http: httpx2.AsyncClient, asked: str, language: str) -> None:
    answer = await http.post(RUN_DAILY, json={"intervals": 1}, headers={"Accept-Language": asked})
    title = {"en": "The request cannot be carried out", "ja": "リクエストの内容に誤りがあります"}[language]
    assert answer.json()["title"] == title
    assert answer.headers["content-language"] == language
    assert JAPANESE.search(answer.json()["detail"]) is not None or language == "en"
    assert answer.json()["detail"] == answer.json()["errors"][0]["pointer"] + SEPARATOR[language] + _first(answer)
    assert accepted_language(asked) == language


def _first(answer: httpx2.Response) -> str:
    return str(answer.json()["errors"][0]["detail"])


async def test_the_english_of_a_problem_does_not_change(http: httpx2.AsyncClient) -> None:
    answer = await http.post(RUN_DAILY, json=REPORT_BODY | {"intervals": 1})
    assert answer.json()["detail"] == "#/intervals: Input should be a valid dictionary"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/nothing", None),
        ("GET", f"/api/v1/ingest/jobs/{'a' * 32}", None),
        ("GET", "/api/v1/ingest/jobs?cursor=x", None),
        ("GET", "/api/v1/ingest/jobs?limit=0", None),
        ("GET", RUN_DAILY, None),
        ("POST", RUN_DAILY, b"{"),
        ("POST", RUN_DAILY, b" " * 70_000),
        ("POST", RUN_DAILY, b'{"intervals": {"7m": 1}}'),
        ("POST", RUN_DAILY, b'{"intervals": {"1m": 0}, "x": 1, "symbols": ["7203", 5]}'),
        ("POST", RUN_DAILY, b'{"intervals": {"1m": 1}, "session": "1999-01-01"}'),
        ("POST", RUN_DAILY, b'{"intervals": {"1m": 1}, "provider": "jquants"}'),
        ("POST", "/api/v1/schedules", b'{"name": "x", "task": "ingest.run_daily", "request": {}, "cron": "x"}'),
        ("DELETE", f"/api/v1/schedules/{'b' * 32}", None),
    ],
)
async def test_a_japanese_problem_is_japanese_in_every_part(
    http: httpx2.AsyncClient, method: str, path: str, body: bytes | None
) -> None:
    headers = {"Accept-Language": "ja"} | ({"Content-Type": "application/json"} if body else {})
    problem = (await http.request(method, path, content=body, headers=headers)).json()
    texts = [problem["title"], problem["detail"], *(error["detail"] for error in problem.get("errors", []))]
    assert [text for text in texts if not JAPANESE.search(text)] == []
    assert problem["detail"].count(problem["title"]) == 0


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.slug)
def test_no_line_repeats_the_title_of_its_problem(problem: Problem) -> None:
    for title in pair_of(problem.title, f"problem {problem.slug}"):
        for detail in (title, f"{title}: why", f"{title.upper()}: why", "why", ""):
            line = join_title(title, detail)
            assert line.startswith(title)
            assert line.casefold().count(title.casefold()) == 1
            assert line.endswith("why") == ("why" in detail)


async def test_the_gate_speaks_japanese_too(app: FastAPI) -> None:
    async with client_of(app, **{"Accept-Language": "ja", "x-ingest-token": ""}) as stranger:
        answer = await stranger.post(RUN_DAILY, json=REPORT_BODY)
    assert answer.json()["title"] == "有効なトークンが必要です"


@pytest.mark.parametrize("given", ["7c6a1c0f", "Trace_1.2-3", "a" * 64])
async def test_a_request_id_is_given_back(http: httpx2.AsyncClient, given: str) -> None:
    answer = await http.post(RUN_DAILY, json={}, headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize(
    "given", [b"", b"a" * 65, b"a b", b'{"severity":"ERROR"}', b"a\tb", "識別".encode(), b"\x1b[31m"]
)
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(http: httpx2.AsyncClient, given: bytes) -> None:
    answer = await http.post(RUN_DAILY, json={}, headers=[(b"x-request-id", given)])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_every_answer_has_an_id_and_the_security_headers(http: httpx2.AsyncClient) -> None:
    for answer in (await http.get("/healthz"), await http.get("/nothing"), await http.post(RUN_DAILY, json={})):
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"


async def test_an_unauthorized_caller_learns_which_header_is_meant(app: FastAPI) -> None:
    async with client_of(app, **{"x-ingest-token": ""}) as stranger:
        answer = await stranger.get("/api/v1/ingest/jobs")
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert 'header="x-ingest-token"' in answer.headers["www-authenticate"]


async def test_a_wrong_method_learns_the_right_ones(http: httpx2.AsyncClient) -> None:
    assert (await http.get(RUN_DAILY)).headers["allow"] == "POST"


def test_a_described_problem_is_reported_once_for_each_status() -> None:
    described = describe_problems(*PROBLEMS)
    examples = [e for entry in described.values() for e in entry["content"]["application/problem+json"]["examples"]]
    assert sorted(examples) == sorted(problem.slug for problem in PROBLEMS)


def test_a_pointer_is_that_of_rfc_6901_with_keys_cut_to_forty_letters() -> None:
    assert _to_pointer(("body", "intervals", "a/b~c", 3)) == "#/intervals/a~1b~0c/3"
    assert _to_pointer(("body", "x" * 41)) == f"#/{'x' * 40}"
    assert _to_pointer(("body",)) == "#"


@pytest.mark.parametrize(
    ("path", "fits"), [("/jobs/a/logs", True), ("/jobs/a", False), ("/jobs/a/files", False), ("/jobs/a/logs/b", False)]
)
def test_a_template_fits_paths_of_its_parts(path: str, *, fits: bool) -> None:
    assert _fits("/jobs/{job_id}/logs", path) is fits
