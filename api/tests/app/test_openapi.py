"""The API describes itself: every route with examples that are true, every problem, and the token."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from app.accounts.schemas import (
    AuditPage,
    AuditView,
    CreatedToken,
    LoginAnswer,
    LoginBody,
    Me,
    NewToken,
    NewUser,
    PasswordBody,
    SessionView,
    TokenList,
    TokenView,
    UserList,
    UserPatch,
    UserView,
)
from app.auth.guard import PUBLIC_PATHS, stated_scopes
from app.catalog import CATALOG
from app.health.routes import Alive, Ready
from app.jobs_api.chunks import ChunkPage
from app.jobs_api.submitting import build_body
from app.jobs_api.view import Accepted, FailurePage, JobPage, JobView, LogPage, QueueStats, RetryBody
from app.main import create_app
from app.market_data.schemas import (
    BarPage,
    CalendarView,
    CellPage,
    CoveragePage,
    LatestBars,
    QuarantinePage,
    SessionPage,
    SymbolPage,
    UniverseView,
)
from app.openapi import SECURITY_SCHEMES
from app.overview.alerts.view import AlertList
from app.overview.dead_letters import DeadLetterPage
from app.overview.providers import ProviderList
from app.overview.settings import SettingList
from app.overview.stats import AllStats, Series
from app.overview.workers import WorkerList
from app.schedules.schemas import (
    FiringView,
    ListedSchedule,
    NewSchedule,
    ScheduleChange,
    ScheduleDetail,
    ScheduleList,
    ScheduleView,
)
from app.webhooks.schemas import DeliveryPage, DeliveryView
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, memory_settings, running

VIEWS: tuple[type[BaseModel], ...] = (
    *(Alive, Ready, Accepted, FailurePage, JobPage, JobView, LogPage, QueueStats, RetryBody, ChunkPage),
    *(FiringView, ListedSchedule, NewSchedule, ScheduleChange, ScheduleDetail, ScheduleList, ScheduleView),
    *(DeliveryPage, DeliveryView),
    *(ProviderList, SettingList),
    *(WorkerList, AllStats, Series, DeadLetterPage, AlertList),
    *(BarPage, CalendarView, CellPage, CoveragePage, LatestBars, QuarantinePage, SessionPage, SymbolPage, UniverseView),
    *(AuditPage, AuditView, CreatedToken, LoginAnswer, LoginBody, Me, NewToken, NewUser, PasswordBody),
    *(SessionView, TokenList, TokenView, UserList, UserPatch, UserView),
)
MODELS = {model.__name__: model for model in (*VIEWS, *map(build_body, CATALOG))}
APP = create_app(memory_settings(Path("nowhere")))
DOCUMENT = APP.openapi()
STATED = {f"{method} {path}": scopes for method, path, scopes in stated_scopes(APP.routes)}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "requestBody" in operation:
        yield operation["requestBody"]["content"]["application/json"]
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).values()


def names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from names_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from names_in(value)


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=[name for name, _ in operations()])
def test_every_body_and_every_answer_has_an_example(name: str, operation: dict[str, Any]) -> None:
    for content in contents(operation):
        referred = [ref.rpartition("/")[2] for ref in names_in(content.get("schema"))]
        shown = content.get("examples") or [s for s in referred if "example" in DOCUMENT["components"]["schemas"][s]]
        assert shown, f"{name}: {content}"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_examples_are_true(model: type[BaseModel]) -> None:
    example = DOCUMENT["components"]["schemas"][model.__name__]["example"]
    assert model.model_validate_json(json.dumps(example)).model_dump(mode="json", exclude_unset=True) == example


def test_the_documented_body_is_the_example() -> None:
    example = DOCUMENT["components"]["schemas"]["RunDailyBody"]["example"]
    assert example == {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}


def test_every_reference_leads_somewhere() -> None:
    known = {f"#/components/{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    assert set(names_in(DOCUMENT)) <= known


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=[name for name, _ in operations()])
def test_every_operation_but_the_public_ones_needs_the_token(name: str, operation: dict[str, Any]) -> None:
    guarded = name.partition(" ")[2] not in PUBLIC_PATHS
    stated = [str(scope) for scope in STATED[name] or ()]
    assert operation.get("security") == ([{name: stated} for name in SECURITY_SCHEMES] if guarded else None)
    if guarded:
        assert "401" in operation["responses"]
        assert "403" in operation["responses"] or not stated
    scheme = DOCUMENT["components"]["securitySchemes"]["ingestToken"]
    assert scheme == {"type": "apiKey", "in": "header", "name": "x-ingest-token"}


def test_problems_of_a_submission_are_told() -> None:
    answers = DOCUMENT["paths"][RUN_DAILY]["post"]["responses"]
    assert set(answers) == {"202", "400", "401", "403", "409", "413", "415", "422", "429", "503"}
    for status in set(answers) - {"202"}:
        assert list(answers[status]["content"]) == ["application/problem+json"]


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["identity", "gzip, br", "gzip;q=0, identity", "br, gzip;q=0.5"])
async def test_the_document_is_served_as_bytes_that_may_be_kept(http: httpx2.AsyncClient, encoding: str) -> None:
    first, again = [await http.get("/openapi.json", headers={"Accept-Encoding": encoding}) for _ in range(2)]
    assert first.json() == again.json() == DOCUMENT
    assert first.headers["etag"] == again.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["vary"] == "Accept-Encoding"
    assert first.headers.get("content-encoding") == (None if encoding.endswith("identity") else "gzip")
    known = {"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]}
    same = await http.get("/openapi.json", headers=known)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])


@pytest.mark.anyio
async def test_the_document_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def encode(document: dict[str, Any]) -> bytes:
        made.append(document)
        return b"{}"

    monkeypatch.setattr("app.openapi.orjson.dumps", encode)
    async with running(memory_settings(tmp_path)) as app, client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(made) == 1


def test_the_limits_of_a_call_are_described() -> None:
    answers = DOCUMENT["paths"][RUN_DAILY]["post"]["responses"]
    limits = {"RateLimit", "RateLimit-Policy"}
    for code, wanted in (("202", limits | {"Retry-After"}), ("422", limits), ("429", limits | {"Retry-After"})):
        assert set(answers[code]["headers"]) == wanted
    assert "headers" not in answers["401"]
    assert "headers" not in DOCUMENT["paths"]["/healthz"]["get"]["responses"]["200"]
