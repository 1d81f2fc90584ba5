"""Every route states the scopes that it needs, and refuses a caller who lacks one."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from kaboom.catalog import CATALOG
from kaboom.jobs.deps import needs
from kaboom.web.auth.guard import is_public, stated_scopes
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import SCOPES, Role, Scope
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, memory_settings, running
from tests.fixtures.repo.repository import load_text
from tests.web.auth.matrix import ROWS

pytestmark = pytest.mark.anyio
ACCOUNTS_PAGE = "docs/reference/accounts.md"
STREAMS = {operation for operation, row in ROWS.items() if row.is_stream}


class Holding:
    """Authenticates any request with `x-scopes`: a caller with these scopes, separated by spaces."""

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        text = headers.get(b"x-scopes")
        if text is None:
            return None
        return Principal("ingest", "test", "test", "test", frozenset(map(Scope, text.decode().split())))


def silent_routes(app: FastAPI) -> list[str]:
    """Return every route that needs a principal and states no scope, and the file to look at."""
    files = {
        (method, context.path): inspect.getsourcefile(inspect.unwrap(context.endpoint)) if context.endpoint else None
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
    }
    return [
        f"{method} {path} states no scope (dependencies=[needs(…)]): look at {files[method, path]}"
        for method, path, scopes in stated_scopes(app.routes)
        if scopes is None and not is_public(path)
    ]


async def test_every_route_states_its_scope(app: FastAPI) -> None:
    assert len(list(stated_scopes(app.routes))) > 30
    assert silent_routes(app) == []


async def test_the_walk_names_the_file_of_a_route_without_a_scope(app: FastAPI) -> None:
    router = APIRouter(prefix="/notifications")

    @router.get("/any", dependencies=[needs()])
    @router.post("/digest")
    async def digest() -> str:
        return "done"

    app.include_router(router)
    assert silent_routes(app) == [
        f"POST /notifications/digest states no scope (dependencies=[needs(…)]): look at {__file__}"
    ]


@pytest.mark.parametrize("held", [set(), *({scope} for scope in Scope)], ids=str)
async def test_a_caller_without_the_scope_gets_403(tmp_path: Path, held: set[Scope]) -> None:
    async with running(memory_settings(tmp_path), [Holding()]) as app:
        refused, passed = list[str](), list[str]()
        async with client_of(app, **{"x-ingest-token": "", "x-scopes": " ".join(held)}) as http:
            for method, path, scopes in stated_scopes(app.routes):
                if not scopes:
                    continue
                if set(scopes) <= held and f"{method} {path}" in STREAMS:
                    # It would go on until the caller leaves; test_matrix.py watches one.
                    passed.append(f"{method} {path}")
                    continue
                answer = await http.request(method, path)
                (refused if answer.status_code == 403 else passed).append(f"{method} {path}")
                if answer.status_code == 403:
                    assert answer.json()["type"].endswith("/forbidden")
                    assert str(next(s for s in scopes if s not in held)) in answer.json()["detail"]
        wanted = {f"{method} {path}" for method, path, s in stated_scopes(app.routes) if s and set(s) <= held}
        assert set(passed) == wanted
        assert refused


async def test_a_refusal_is_translated(tmp_path: Path) -> None:
    async with (
        running(memory_settings(tmp_path), [Holding()]) as app,
        client_of(app, **{"x-ingest-token": "", "x-scopes": "", "accept-language": "ja"}) as http,
    ):
        answer = await http.post(RUN_DAILY, json={})
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            "この操作にはスコープ ingest が必要です。お持ちのスコープは none です",
        )


def test_every_kind_of_job_needs_a_writing_scope() -> None:
    assert {job_type.scope for job_type in CATALOG} <= {
        Scope.INGEST,
        Scope.JOBS_WRITE,
        Scope.SCHEDULES_WRITE,
        Scope.ADMIN,
    }


def test_a_higher_role_has_the_scopes_of_a_lower_one() -> None:
    assert SCOPES[Role.VIEWER] < SCOPES[Role.OPERATOR] < SCOPES[Role.ADMIN] == set(Scope)
    assert SCOPES[Role.VIEWER] == {Scope.JOBS_READ, Scope.BARS_READ, Scope.PORTFOLIOS_READ}
    assert SCOPES[Role.ADMIN] - SCOPES[Role.OPERATOR] == {Scope.STRATEGIES_RUN, Scope.ADMIN}


def test_the_page_lists_every_scope_and_role() -> None:
    section = load_text(ACCOUNTS_PAGE).split("## Roles and scopes")[1].split("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert rows == [*Scope, *Role]
