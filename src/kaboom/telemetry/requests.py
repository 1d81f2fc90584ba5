"""Count every HTTP request by its status, and measure its time."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaboom.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, count, observe

#: The name of all paths without a route; otherwise each wrong path would be a new time series.
_NO_ROUTE = "none"
_PROBES = frozenset({"/healthz", "/readyz"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """ASGI middleware, the outermost, that counts requests by route template, never by path, and times them by kind."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_at, status = perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = _template(scope)
            count(HTTP_REQUESTS, method, route, str(status))
            observe(HTTP_SECONDS, perf_counter() - begun_at, _kind(scope))


def _kind(scope: Scope) -> str:
    """Return what a request is, of five words: `wait` takes as long as its caller wants, `probe` is no user's."""
    path, headers = scope["path"], dict(scope["headers"])
    if path in _PROBES:
        return "probe"
    if b"wait=" in headers.get(b"prefer", b"") or b"text/event-stream" in headers.get(b"accept", b""):
        return "wait"
    if not path.startswith("/api/"):
        return "page"
    return "read" if scope["method"] in _READS else "write"


def _template(scope: Scope) -> str:
    """Return the path with the names of its parameters in place of their values, replaced from the end.

    The route in the scope has its own path, but not the prefix of its router.
    """
    if "route" not in scope:
        return _NO_ROUTE
    segments = scope["path"].split("/")
    for name, value in reversed(scope.get("path_params", {}).items()):
        if str(value) in segments:
            at = len(segments) - 1 - segments[::-1].index(str(value))
            segments[at] = f"{{{name}}}"
    return "/".join(segments)
