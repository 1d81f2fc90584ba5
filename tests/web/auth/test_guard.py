"""Every route needs a principal, but those of the public list."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message

from kaboom.errors import Forbidden
from kaboom.jobs.deps import Caller
from kaboom.web.auth.cookies import BY_COOKIE
from kaboom.web.auth.guard import (
    CONFIRMED,
    PUBLIC_PATHS,
    STATIC_PREFIX,
    find_principal,
    is_confirmed,
    is_public,
    require_scopes,
)
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Scope
from kaboom.web.caller_errors import ExpiredToken
from kaboom.web.openapi import SECURITY_SCHEMES, complete_document
from tests.fixtures.jobs.apps import TOKEN, client_of
from tests.fixtures.repo.repository import ROOT

pytestmark = pytest.mark.anyio
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
#: The one route below the public prefix, which gives what the package contains.
STATIC_FILES = STATIC_PREFIX + "{tree}/{name:path}"
SECURITY: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]


def operations(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield method, path and source file of every operation, also of mounted apps."""
    for context in iter_route_contexts(routes):
        path, route = prefix + (context.path or ""), context.original_route
        if isinstance(route, Mount):
            yield from operations(route.routes, path)
        else:
            file = inspect.getsourcefile(inspect.unwrap(context.endpoint)) if context.endpoint else None
            for method in sorted(context.methods or {"GET"}):
                yield method, path, file or "an unknown file"


async def open_operations(app: FastAPI) -> list[str]:
    """Return every guarded operation that answers without a principal, and where to look."""
    found = []
    async with client_of(app) as http:
        for method, path, file in operations(app.routes):
            if path in PUBLIC_PATHS or path == STATIC_FILES:
                continue
            for token in ("", "wrong", TOKEN[:-1]):
                answer = await http.request(method, path, headers={"x-ingest-token": token})
                if answer.status_code != 401:
                    found.append(f"{method} {path} answered {answer.status_code} without a principal: look at {file}")
    return found


def careless_router() -> APIRouter:
    """Return a router that says nothing of security, outside every known prefix."""
    router = APIRouter(prefix="/notifications")

    @router.post("/digest", status_code=202)
    async def digest() -> str:
        return "done"

    @router.get("/mine")
    async def mine(caller: Caller) -> str:
        return caller.owner

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()

    return router


async def mounted(_: object) -> PlainTextResponse:
    return PlainTextResponse("a secret")


@pytest.fixture
def careless(app: FastAPI) -> FastAPI:
    """The API with routes whose authors did not think of tokens."""
    app.include_router(careless_router())
    app.mount("/mounted", Starlette(routes=[Route("/report", mounted)]))
    return app


async def test_every_operation_needs_a_principal(app: FastAPI) -> None:
    assert len(list(operations(app.routes))) > 30
    assert {path for _, path, _ in operations(app.routes)} >= PUBLIC_PATHS
    assert await open_operations(app) == []


async def test_only_static_files_have_the_public_prefix(app: FastAPI) -> None:
    found = {path for _, path, _ in operations(app.routes) if path.startswith(STATIC_PREFIX)}
    assert found == {STATIC_FILES}


async def test_a_route_that_forgets_security_answers_401(careless: FastAPI) -> None:
    paths = {path for _, path, _ in operations(careless.routes)}
    assert paths >= {"/notifications/digest", "/notifications/mine", "/notifications/live", "/mounted/report"}
    assert await open_operations(careless) == []
    async with client_of(careless) as http:
        assert (await http.post("/notifications/digest")).status_code == 202
        assert (await http.get("/notifications/mine")).json() == "ingest"
        assert (await http.get("/mounted/report")).text == "a secret"


async def test_the_walk_names_the_file_of_an_open_route(careless: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = PUBLIC_PATHS | {"/notifications/digest", "/mounted/report"}
    monkeypatch.setattr("kaboom.web.auth.guard.PUBLIC_PATHS", opened)
    found = await open_operations(careless)
    assert {line.partition(" answered")[0] for line in found} == {
        "POST /notifications/digest", "GET /mounted/report", "HEAD /mounted/report",
    }  # fmt: skip
    assert all(line.endswith(f"look at {__file__}") for line in found)


async def test_a_public_route_that_asks_for_the_caller_answers_401(
    careless: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaboom.web.auth.guard.PUBLIC_PATHS", {"/notifications/mine"})
    async with client_of(careless, **{"x-ingest-token": "wrong"}) as http:
        assert (await http.get("/notifications/mine")).status_code == 401


async def test_web_sockets_are_refused(careless: FastAPI) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"x-ingest-token", TOKEN.encode())]
    scope = {"type": "websocket", "path": "/notifications/live", "headers": headers, "query_string": b""}
    await careless(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


UNKNOWN = [
    "/index.html",
    "/api/v1",
    "/api/v1/ingest/",
    "/api/v1/ingest/nothing",
    "/api/v2/jobs",
    "/redoc",
    "/metrics",
    "/nothing",
]
LOOKALIKES = [
    "//healthz",
    "/healthz/",
    "/healthz/x",
    "/HEALTHZ",
    "/healthz;x",
    "/x/%2e%2e/healthz",
    "/healthz%2f",
    "/readyz%00",
    "/static",
    "/STATIC/x",
    "/x/%2e%2e/static/x",
    "/api/v1/login/x",
    "/api/v1/loginx",
]


@pytest.mark.parametrize("method", METHODS)
async def test_unknown_paths_need_a_principal_with_every_method(http: httpx2.AsyncClient, method: str) -> None:
    for path in UNKNOWN + LOOKALIKES + ["/api/v1/ingest/run-daily", "/api/v1/jobs"]:
        answer = await http.request(method, f"http://kaboom{path}", headers={"x-ingest-token": ""})
        assert (path, answer.status_code) == (path, 401)
        assert answer.headers["www-authenticate"].startswith("Token ")
        assert answer.headers["cache-control"] == "private, no-store"


async def test_an_unknown_path_with_the_token_is_404(http: httpx2.AsyncClient) -> None:
    assert {path: (await http.get(path)).status_code for path in UNKNOWN} == dict.fromkeys(UNKNOWN, 404)


@pytest.mark.parametrize("path", sorted(PUBLIC_PATHS))
async def test_public_paths_need_no_principal(http: httpx2.AsyncClient, path: str) -> None:
    wanted = 405 if path.startswith("/api/") else 303 if path == "/prefer" else 200
    assert (await http.get(path, headers={"x-ingest-token": ""})).status_code == wanted
    assert (await http.put(path, headers={"x-ingest-token": ""})).status_code == 405


def test_the_public_list_is_what_the_docs_promise() -> None:
    login = {"/api/v1/login", "/api/v1/login/session", "/login"}
    assert login | {"/healthz", "/readyz", "/openapi.json", "/prefer", "/favicon.ico"} == PUBLIC_PATHS


def test_openapi_adds_security_where_a_router_says_nothing() -> None:
    careless = FastAPI()
    careless.include_router(careless_router())
    careless.add_api_route("/healthz", mounted, response_model=None)
    paths: dict[str, Any] = complete_document(careless.openapi(), {("POST", "/notifications/digest"): (Scope.INGEST,)})[
        "paths"
    ]
    assert {path: operation.get("security") for path in paths for operation in paths[path].values()} == {
        "/notifications/digest": [{name: ["ingest"]} for name in SECURITY_SCHEMES],
        "/notifications/mine": SECURITY, "/healthz": None,
    }  # fmt: skip
    assert set(paths["/notifications/digest"]["post"]["responses"]) == {"202", "401", "403", "429", "503"}


def test_no_router_names_security_itself() -> None:
    app = ROOT / "src/kaboom"
    naming = [
        file for file in app.rglob("*.py") if "fastapi.security" in (text := file.read_text()) or "Security(" in text
    ]
    assert naming == []


class Finder:
    """Authenticates as it was told, and counts who asked."""

    def __init__(self, found: Principal | ExpiredToken | None) -> None:
        self._found = found
        self.asked: list[bool] = []

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        self.asked.append(known_only)
        if isinstance(self._found, ExpiredToken):
            raise self._found
        return self._found


ANNA, TARO = (
    Principal(name, method="a test", subject=name, name=name, scopes=frozenset()) for name in ("anna", "taro")
)


async def test_the_first_who_is_known_is_the_principal() -> None:
    none, anna, taro = Finder(None), Finder(ANNA), Finder(TARO)
    assert await find_principal([none, anna, taro], {}, known_only=True) is ANNA
    assert (none.asked, anna.asked, taro.asked) == ([True], [True], [])
    assert await find_principal([none], {}) is None
    assert none.asked == [True, False]
    assert await find_principal([], {}) is None


async def test_an_expired_token_is_told_only_if_nobody_else_is_known() -> None:
    expired = Finder(ExpiredToken("the token has expired"))
    assert await find_principal([expired, Finder(ANNA)], {}) is ANNA
    for order in ([expired, Finder(None)], [Finder(None), expired]):
        with pytest.raises(ExpiredToken, match="has expired"):
            await find_principal(order, {})


def test_a_password_is_asked_for_again_only_of_a_browser_and_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    monkeypatch.setattr("kaboom.web.auth.guard.utc_now", lambda: now)
    browser = replace(ANNA, method=BY_COOKIE)
    assert is_confirmed(ANNA)
    assert not is_confirmed(browser)
    just = timedelta(microseconds=1)
    assert is_confirmed(replace(browser, confirmed_at=now - CONFIRMED + just))
    assert not is_confirmed(replace(browser, confirmed_at=now - CONFIRMED))
    assert is_confirmed(replace(ANNA, confirmed_at=now - CONFIRMED))


def test_the_first_missing_scope_is_named_beside_those_of_the_caller() -> None:
    caller = replace(ANNA, scopes=frozenset({Scope.JOBS_READ, Scope.INGEST}))
    require_scopes(caller, ())
    require_scopes(caller, (Scope.INGEST, Scope.JOBS_READ))
    with pytest.raises(Forbidden, match=r"^this needs the scope admin, and the caller has ingest, jobs:read$"):
        require_scopes(caller, (Scope.INGEST, Scope.ADMIN, Scope.JOBS_WRITE))
    with pytest.raises(Forbidden, match=r"^this needs the scope ingest, and the caller has none$"):
        require_scopes(ANNA, (Scope.INGEST,))


@pytest.mark.parametrize("path", ["/static/x", "/healthz"])
def test_a_public_path_is_public_whole(path: str) -> None:
    assert is_public(path)
    assert not is_public(f"/x{path}")
