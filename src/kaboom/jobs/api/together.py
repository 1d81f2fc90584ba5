"""Concurrent identical requests share one answer."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from pydantic import BaseModel

from kaboom.jobs.deps import Shared


async def answer_together(shared: Shared, request: Request, find: Callable[[], Awaitable[Response]]) -> Response:
    """Answer as `find` does, once for all concurrent requests of an owner with the same path and query."""
    found = await shared.ask((request.scope["path"], request.scope["query_string"]), find)
    # Each caller gets its own response: middleware adds headers to it.
    return Response(found.body, headers=dict(found.headers))


async def answer_with_model(shared: Shared, request: Request, find: Callable[[], Awaitable[BaseModel]]) -> Response:
    """Answer with the model that `find` returns, once for all requests as `answer_together` does."""

    async def answer() -> Response:
        return build_answer((await find()).model_dump_json())

    return await answer_together(shared, request, answer)


def build_answer(text: str) -> Response:
    """Return JSON text as an answer."""
    return Response(text, media_type="application/json")
