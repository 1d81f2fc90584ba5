"""Concurrent identical requests share one answer."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from app.deps import Shared


async def answer_together(shared: Shared, request: Request, find: Callable[[], Awaitable[Response]]) -> Response:
    """Answer as `find` does, once for all concurrent requests of an owner with the same path and query."""
    found = await shared.ask((request.scope["path"], request.scope["query_string"]), find)
    # Each caller gets its own response: middleware adds headers to it.
    return Response(found.body, headers=dict(found.headers))


def build_answer(text: str) -> Response:
    """Return JSON text as an answer."""
    return Response(text, media_type="application/json")
