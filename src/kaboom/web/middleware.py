"""The checks of every request before its route: id, principal, rate limit, media type and size, in this order."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaboom.errors import StoreError
from kaboom.web.auth.changes import CONTEXT, SAFE_METHODS, ChangeLog, RequestContext, context_of, find_change
from kaboom.web.auth.cookies import BY_COOKIE, find_csrf_fault, is_local, read_form_token
from kaboom.web.auth.guard import Authenticator, find_principal, is_public
from kaboom.web.auth.principals import Principal
from kaboom.web.caller_errors import ExpiredToken
from kaboom.web.errors import (
    BAD_REQUEST,
    FORBIDDEN,
    INTERNAL,
    MEDIA_TYPE,
    RATE_LIMITED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    Answer,
    problem_response,
)
from kaboom.web.rate_limit import AddressLimiter, Allowance, CallerLimiter, Spending

MAX_BODY = 64 * 1024
#: How long each refusal of an address over its limit is delayed.
REFUSED_AFTER_S = 0.5
#: The pages that log a browser in and out, and that confirm its session.
_LOGINS = frozenset({"/login", "/logout", "/confirm"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(rb"([0-9a-f]{32})(?:/|;|$)")
_NEEDS_TOKEN = Answer(
    UNAUTHORIZED,
    "the request had no valid token: send x-ingest-token, a bearer token or the cookie of a session",
    headers={"WWW-Authenticate": 'Token realm="kaboom-ingest", header="x-ingest-token", Bearer realm="kaboom"'},
)
_EXPIRED = Answer(
    UNAUTHORIZED,
    "the JWT has expired: log in again",
    headers={
        "WWW-Authenticate": 'Bearer realm="kaboom", error="invalid_token", error_description="the JWT has expired"'
    },
)
_TOO_LARGE = Answer(TOO_LARGE, f"the body was over {MAX_BODY} bytes, which is the limit")
_CUT_OFF = Answer(BAD_REQUEST, "the connection ended before the body did")
_TWO_HOSTS = Answer(BAD_REQUEST, "the request had more than one Host header, expected one")
_CRASHED = Answer(INTERNAL, "the error is in our logs under this request_id")
_WRONG_TYPE = Answer(MEDIA_TYPE, "the Content-Type was not application/json")
_FORM = b"application/x-www-form-urlencoded"
#: Names are lower case, as ASGI requires.
_SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    # With `no-referrer`, Chromium would send the forms of Kaboom's own pages with `Origin: null`.
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
#: Browsers reach the host by TLS only, for a year.
_HSTS = {b"strict-transport-security": b"max-age=31536000"}

_log = structlog.get_logger(__name__)


class Gate:
    """ASGI middleware that authenticates requests, and refuses bad requests before they are parsed."""

    def __init__(
        self,
        app: ASGIApp,
        authenticators: Sequence[Authenticator],
        limiter: CallerLimiter,
        addresses: AddressLimiter,
        changes: ChangeLog,
    ) -> None:
        self._app = app
        self._authenticators = authenticators
        self._limiter = limiter
        self._addresses = addresses
        self._changes = changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, give it an id, and pass it on with its body read."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # No route speaks WebSocket, and these checks would not cover one.
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        request_id = _request_id(headers)
        context = RequestContext(request_id, self._addresses.find_client(peer, scope["headers"]))
        scope[CONTEXT] = context
        with structlog.contextvars.bound_contextvars(request_id=request_id, **_trace_of(headers)):
            reply = _Reply(send, {b"x-request-id": request_id.encode()} | _SECURITY_HEADERS)
            # Browsers keep this for the host on all its ports, so never for loopback.
            if self._addresses.is_encrypted(scope.get("scheme", "http"), headers) and not is_local(headers):
                reply.extra |= _HSTS
            try:
                await self._pass(scope, receive, reply, headers)
            except Exception as e:
                # Once a response has begun, only the server can end it, and the server logs the error.
                if reply.has_begun:
                    raise
                _log.error("request_crashed", path=scope["path"], **_owner_of(context.principal), exc_info=e)
                await _answer(_CRASHED, scope, headers)(scope, receive, reply.send)

    async def _pass(self, scope: Scope, receive: Receive, reply: "_Reply", headers: dict[bytes, bytes]) -> None:
        context = context_of(scope)
        try:
            context.principal = None if is_public(scope["path"]) else await self._find_caller(scope, headers)
        except ExpiredToken:
            context.is_expired = True
        except StoreError as e:
            # The caller could not be looked up: answer neither 401 nor the request.
            unknown = Answer(UNAVAILABLE, e.message, headers={"Retry-After": "2"})
            await _answer(unknown, scope, headers)(scope, receive, reply.send)
            return
        with structlog.contextvars.bound_contextvars(**_owner_of(context.principal)):
            await self._pass_known(scope, receive, reply, headers)

    async def _find_caller(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal | None:
        # Do not look up unknown tokens of an address over its limit: each would be a query to the ledger.
        is_spent = self._addresses.is_spent(context_of(scope).address)
        return await find_principal(self._authenticators, headers, known_only=is_spent)

    async def _pass_known(self, scope: Scope, receive: Receive, reply: "_Reply", headers: dict[bytes, bytes]) -> None:
        refusal = await self._refuse(scope, headers, reply)
        body = b""
        if refusal is None:
            body, refusal = await _read(receive, headers)
            refusal = refusal or _refuse_csrf(scope, headers, body)
        if refusal:
            await _answer(refusal, scope, headers)(scope, receive, reply.send)
        else:
            # Pages only log users in and out; dashboard/api_client.py records the changes of their API calls.
            if scope["path"].startswith("/api/") or scope["path"] in _LOGINS:
                reply.before_start = partial(self._note, scope)
            await self._app(scope, _replay(body, receive), reply.send)

    async def _note(self, scope: Scope, answer: Message) -> None:
        if change := find_change(scope, answer["status"], answer["headers"]):
            await self._changes.note(change)

    async def _refuse(self, scope: Scope, headers: dict[bytes, bytes], reply: "_Reply") -> Answer | None:
        """Return why a request is refused, or None; adds the headers about limits to the reply."""
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            return _TWO_HOSTS
        context = context_of(scope)
        caller, needs_principal = context.principal, not is_public(scope["path"])
        if needs_principal:
            reply.extra[b"cache-control"] = b"private, no-store"
        if needs_principal and caller:
            reply.spending = await self._limiter.spend(caller, scope["method"])
            allowance = reply.spending.allowance if reply.spending else None
        else:
            allowance = await self._count_address(scope)
        reply.show(allowance)
        if allowance and allowance.refusal:
            return Answer(RATE_LIMITED, allowance.refusal, headers={"Retry-After": str(allowance.reset_s)})
        if needs_principal and caller is None:
            return _EXPIRED if context.is_expired else _NEEDS_TOKEN
        has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if has_body and not _is_accepted(media_type, scope["path"]):
            return _WRONG_TYPE
        return None

    async def _count_address(self, scope: Scope) -> Allowance | None:
        allowance = self._addresses.refuse(scope["path"], context_of(scope).address)
        if allowance:
            # With immediate answers, a flood of requests would slow down all callers that have a token.
            await asyncio.sleep(REFUSED_AFTER_S)
        return allowance


class _Reply:
    """Sends the response to one request: adds headers, and refunds what the status says that the call does not cost."""

    def __init__(self, send: Send, extra: dict[bytes, bytes]) -> None:
        self._send = send
        self.extra = extra
        self.has_begun = False
        self.spending: Spending | None = None
        self.before_start: Callable[[Message], Awaitable[None]] | None = None

    def show(self, allowance: Allowance | None) -> None:
        """Add the headers that show what is left of a limit."""
        if allowance:
            self.extra |= {b"ratelimit-policy": allowance.policy.encode(), b"ratelimit": allowance.state.encode()}

    async def send(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            if self.before_start:
                await self.before_start(message)
            self.has_begun = True
            if self.spending:
                self.show(self.spending.settle(message["status"]))
            # A header that the route sets itself is kept.
            given = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(item for item in self.extra.items() if item[0] not in given)]
        await self._send(message)


async def _read(receive: Receive, headers: dict[bytes, bytes]) -> tuple[bytes, Answer | None]:
    """Read the body up to the limit; a larger declared length is refused before reading."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:12]) > MAX_BODY:
        return b"", _TOO_LARGE
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # The client has disconnected: the received part must not be taken for the whole body.
            return b"", _CUT_OFF
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return b"", _TOO_LARGE
        if not message.get("more_body", False):
            return body, None


def _replay(body: bytes, receive: Receive) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        return next(messages, None) or await receive()

    return replayed


def _refuse_csrf(scope: Scope, headers: dict[bytes, bytes], body: bytes) -> Answer | None:
    """Return why a change with a session cookie is refused, or None; forms of pages have the CSRF token in a field."""
    caller = context_of(scope).principal
    if caller is None or caller.method != BY_COOKIE or scope["method"] in SAFE_METHODS:
        return None
    fault = find_csrf_fault(headers, b"" if scope["path"].startswith("/api/") else read_form_token(body))
    return Answer(FORBIDDEN, fault) if fault else None


def _is_accepted(media_type: bytes, path: str) -> bool:
    """Return whether a body is JSON or, on a path of the dashboard, a form."""
    is_json = media_type == b"application/json" or media_type.endswith(b"+json")
    # A form of another site can be sent with a viewer's cookie, so the API accepts no forms.
    return is_json or (media_type == _FORM and not path.startswith("/api/"))


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _trace_of(headers: dict[bytes, bytes]) -> dict[str, str]:
    """Return the trace that a proxy or a caller began, by W3C's header or Google's; logs name it."""
    found = _TRACEPARENT.match(headers.get(b"traceparent", b"")) or _CLOUD_TRACE.match(
        headers.get(b"x-cloud-trace-context", b"")
    )
    return {"trace_id": found[1].decode()} if found else {}


def _owner_of(caller: Principal | None) -> dict[str, str]:
    return {"owner": caller.owner} if caller else {}


def _answer(answer: Answer, scope: Scope, headers: dict[bytes, bytes]) -> ASGIApp:
    language = headers.get(b"accept-language", b"").decode("latin-1")
    return problem_response(answer, path=scope["path"], language=language, request_id=context_of(scope).request_id)
