"""Call the API within this process with the rights of a page's viewer; its answers are the views that it wrote."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import orjson
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.types import Message, Scope

from kaboom.audit.log import AuditTrail
from kaboom.errors import InvalidRequest
from kaboom.text.catalogue import Language, gettext
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


class Listed[I](Protocol):
    """A view with items."""

    @property
    def items(self) -> Sequence[I]:
        """Its items."""
        ...


@dataclass(frozen=True, slots=True)
class Reply[V]:
    """An answer of the API.

    Attributes:
        status: its HTTP status; 504 if no answer came in time.
        view: its view; None if the answer has no body, or is a problem.
        problem: its problem (RFC 9457); None for any other answer.
        headers: its headers, in lower case.

    """

    status: int
    view: V | None = None
    problem: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether the answer is no problem."""
        return self.problem is None

    @property
    def items[I](self: "Reply[Listed[I]]") -> Sequence[I]:
        """The items of a list; none if the answer is a problem."""
        return self.data.items if self.is_ok else []

    @property
    def data(self) -> V:
        """The view of the answer.

        Raises:
            ProblemAnswered: the answer is a problem; the page then shows the problem.

        """
        return cast("V", self.require().view)

    def require(self) -> "Reply[V]":
        """Return the answer if it is no problem.

        Raises:
            ProblemAnswered: the answer is a problem; the page then shows the problem.

        """
        if not self.is_ok:
            raise ProblemAnswered(self)
        return self


@dataclass(frozen=True, slots=True)
class Api:
    """The API, called with the rights of a request's caller.

    Each call names the view that the route answers with. Query values that are None, "" or [] are left out.
    """

    scope: Scope
    language: Language

    async def get[V](self, view: type[V], path: str, /, **query: object) -> Reply[V]:
        """Get a path."""
        return await self._ask(view, _Call("GET", path, query))

    async def post[V](self, view: type[V], path: str, body: object = None, *, key: str = "") -> Reply[V]:
        """Post a JSON body, with an Idempotency-Key if there is one."""
        return await self._ask(view, _Call("POST", path, body=body, key=key))

    async def delete(self, path: str, /, **query: object) -> Reply[object]:
        """Delete the resource at a path; no page reads what the API answers to that."""
        return await self._ask(object, _Call("DELETE", path, query))

    async def patch[V](self, view: type[V], path: str, body: object) -> Reply[V]:
        """Patch the resource at a path with a JSON body."""
        return await self._ask(view, _Call("PATCH", path, body=body))

    async def put[V](self, view: type[V], path: str, body: object) -> Reply[V]:
        """Replace the resource at a path by a JSON body."""
        return await self._ask(view, _Call("PUT", path, body=body))

    async def _ask[V](self, view: type[V], call: "_Call") -> Reply[V]:
        answer, asked = _Answer(call.content), call.in_scope(self.scope)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.scope["app"].router(asked, answer.receive, answer.send)
        except HTTPException as e:
            return _fail(e.status_code, str(e.detail), call.path)
        except TimeoutError:
            return _fail(504, f"the API did not answer in {ANSWER_S:g} s", call.path)
        # The gate records only the page's request, so record the change here.
        if change := find_change(asked, answer.status, answer.raw_headers):
            await services_of(self.scope["app"]).find(AuditTrail).note(change)
        return answer.read(view, call.path, self.language)


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    key: str = ""

    @property
    def content(self) -> bytes:
        return b"" if self.body is None else orjson.dumps(self.body)

    def in_scope(self, scope: Scope) -> Scope:
        """Return the call as the ASGI scope of a request, by the caller of the page's.

        It asks for English: pages translate what they show, and forms say some reasons in other words.
        """
        given = {name: value for name, value in self.query.items() if value not in (None, "", [], ())}
        headers = [
            *(each for each in scope["headers"] if each[0] in _PASSED),
            (b"accept", b"application/json"),
            (b"accept-language", b"en"),
        ]
        if content := self.content:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        headers += [(b"idempotency-key", self.key.encode())] if self.key else []
        return {name: scope[name] for name in _INHERITED if name in scope} | {
            CONTEXT: context_of(scope).for_call(),
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
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

    def read[V](self, view: type[V], path: str, language: Language) -> Reply[V]:
        body, kind = bytes(self._body), self._headers.get("content-type", "")
        if self.status < 400:
            # A stored report may be of a later release, with fields that this one does not know.
            read = _reader(cast("Any", view)).validate_json(body, extra="ignore") if body else None
            return Reply(self.status, read, headers=self._headers)
        if "json" in kind and isinstance(problem := orjson.loads(body), dict):
            title = gettext(problem["title"], language, f"problem {problem['type'].rpartition('/')[2]}")
            return Reply(self.status, problem=problem | {"title": title}, headers=self._headers)
        return _fail(self.status, "", path)


@cache
def _reader(view: Any) -> TypeAdapter[Any]:
    return TypeAdapter(view)


def _fail(status: int, detail: str, path: str) -> Reply[Any]:
    return Reply(status, problem={"title": "", "detail": detail, "status": status, "instance": path, "request_id": ""})


def problem_of(*errors: InvalidRequest, further: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the problem of a form that a page refuses, in the form of the API's problems.

    `further` is the API's problem with the same form; what it says of other fields is kept.
    """
    faults = [{"pointer": f"#{error.pointer}", "detail": error.message} for error in errors]
    found = {fault["pointer"] for fault in faults}
    faults += [fault for fault in (further or {}).get("errors", ()) if fault["pointer"] not in found]
    return {"title": "", "detail": errors[0].message, "status": 422, "request_id": "", "errors": faults}


class ProblemAnswered(Exception):
    """The API answered a page with a problem; the viewer is shown the problem."""

    def __init__(self, reply: Reply[Any]) -> None:
        super().__init__(reply.problem)
        self.reply = reply
