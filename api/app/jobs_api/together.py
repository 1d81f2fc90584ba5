"""Answers that are found once for all who ask for them at the same time."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from app.deps import Shared


async def answer_together(shared: Shared, request: Request, find: Callable[[], Awaitable[Response]]) -> Response:
    """Answer as `find` does, once for all who wait with the same path and query; all of them have the same rights."""
    found = await shared.ask((request.scope["path"], request.scope["query_string"]), find)
    # Each gets its own: on the way to its caller it is added to.
    return Response(found.body, headers=dict(found.headers))


def build_answer(text: str) -> Response:
    """Return JSON text as an answer."""
    return Response(text, media_type="application/json")
