"""Call the API within this process with the rights of a page's viewer: without a socket, with the same answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Message, Scope

from kaboom.audit.log import AuditTrail
from kaboom.errors import InvalidRequest
from kaboom.text.catalogue import Language
from kaboom.web.auth.changes import CONTEXT, context_of, find_change
from kaboom.web.services import services_of

#: A page waits no longer than this for one of its parts; the part is then shown as unavailable.
ANSWER_S = 8.0
#: What the routes of the API need from the request of a page.
_INHERITED = (
    "app", "asgi", "client", "fastapi_middleware_astack", "http_version",
    "root_path", "scheme", "server", "starlette.exception_handlers", "state", "type",
)  # fmt: skip
#: The headers with the host and the client's address, which the API reads, too.
_PASSED = frozenset({b"host", b"x-forwarded-for", b"x-forwarded-proto"})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API.

    Attributes:
        status: its HTTP status; 504 if no answer came in time.
        data: its JSON, or its bytes if it is not JSON; None if the answer is a problem.
        problem: its problem (RFC 9457); None for an answer with data.
        headers: its headers, in lower case.

    """

    status: int
    data: Any = None
    problem: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether the answer has data."""
        return self.problem is None

    @property
    def items(self) -> list[Any]:
        """The items of a list; none if the answer is a problem."""
        return self.data["items"] if self.is_ok else []

    def require(self) -> "Reply":
        """Return the answer if it has data.

        Raises:
            ProblemAnswered: the answer is a problem; the page then shows the problem.

        """
        if not self.is_ok:
            raise ProblemAnswered(self)
        return self


@dataclass(frozen=True, slots=True)
class Api:
    """The API, called with the rights of a request's caller."""

    scope: Scope
    language: Language

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> Reply:
        """Get a path; query values that are None, "" or [] are left out."""
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: object = None, *, key: str = "") -> Reply:
        """Post a JSON body, with an Idempotency-Key if there is one."""
        return await self._ask("POST", path, body=body, key=key)

    async def delete(self, path: str, **query: object) -> Reply:
        """Delete the resource at a path."""
        return await self._ask("DELETE", path, query=query)

    async def patch(self, path: str, body: object) -> Reply:
        """Patch the resource at a path with a JSON body."""
        return await self._ask("PATCH", path, body=body)

    async def put(self, path: str, body: object) -> Reply:
        """Replace the resource at a path by a JSON body."""
        return await self._ask("PUT", path, body=body)

    async def _ask(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = None, key: str = ""
    ) -> Reply:
        content = b"" if body is None else orjson.dumps(body)
        answer, asked = _Answer(content), self._scope(method, path, query or {}, content)
        asked["headers"] += [(b"idempotency-key", key.encode())] if key else []
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.scope["app"].router(asked, answer.receive, answer.send)
        except HTTPException as e:
            return _fail(e.status_code, str(e.detail), path)
        except TimeoutError:
            return _fail(504, f"the API did not answer in {ANSWER_S:g} s", path)
        # The gate records only the page's request, so record the change here.
        if change := find_change(asked, answer.status, answer.raw_headers):
            await services_of(self.scope["app"]).find(AuditTrail).note(change)
        return answer.read(path)

    def _scope(self, method: str, path: str, query: Mapping[str, object], content: bytes) -> Scope:
        given = {name: value for name, value in query.items() if value not in (None, "", [], ())}
        headers = [
            *(each for each in self.scope["headers"] if each[0] in _PASSED),
            (b"accept", b"application/json"),
            (b"accept-language", self.language.encode()),
        ]
        if content:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        return {name: self.scope[name] for name in _INHERITED if name in self.scope} | {
            CONTEXT: context_of(self.scope).for_call(),
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(given, doseq=True).encode(),
            "headers": headers,
        }


class _Answer:
    """One call of a route: passes the body to the route, and collects the response."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._is_read = False
        self.status = 500
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    async def receive(self) -> Message:
        if self._is_read:
            # Never report a disconnect: if the viewer leaves, the page's request is cancelled, and this call with it.
            await asyncio.Event().wait()
        self._is_read = True
        return {"type": "http.request", "body": self._content, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.raw_headers = message["status"], list(message["headers"])
            self._headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self._body += message.get("body", b"")

    def read(self, path: str) -> Reply:
        kind = self._headers.get("content-type", "").split(";")[0]
        is_json = kind == "application/json" or kind.endswith("+json")
        data = orjson.loads(self._body) if is_json and self._body else bytes(self._body) or None
        if self.status < 400:
            return Reply(self.status, data, headers=self._headers)
        if isinstance(data, dict):
            return Reply(self.status, problem=data, headers=self._headers)
        return _fail(self.status, "", path)


def _fail(status: int, detail: str, path: str) -> Reply:
    return Reply(status, problem={"title": "", "detail": detail, "status": status, "instance": path, "request_id": ""})


def problem_of(error: InvalidRequest) -> dict[str, Any]:
    """Return the problem of a form that a page refuses, in the form of the API's problems."""
    faults = [{"pointer": f"#{error.pointer}", "detail": error.message}]
    return {"title": "", "detail": error.message, "status": 422, "request_id": "", "errors": faults}


class ProblemAnswered(Exception):
    """The API answered a page with a problem; the viewer is shown the problem."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.problem)
        self.reply = reply
