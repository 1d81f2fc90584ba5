"""Every route needs a principal, but those of the public list."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message

from kaboom.jobs.deps import Caller
from kaboom.web.auth.guard import PUBLIC_PATHS, STATIC_PREFIX
from kaboom.web.auth.scopes import Scope
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
