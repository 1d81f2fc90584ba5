"""Write pages of jobs as JSON text, once for identical requests; an ended job is written once, then cached."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from kaboom.jobs.api.view import view_job
from kaboom.jobs.deps import Shared
from kaboom.jobs.model import Job
from kaboom.jobs.redis.workers import Worker
from kaboom.web.auth.scopes import Scope


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


#: About 700 bytes each.
_MOST = 1000


class JobWriter:
    """Writes jobs as JSON, as `JobPage` would; caches the text of ended jobs, which never change."""

    def __init__(self) -> None:
        self._written: OrderedDict[str, tuple[Job, str]] = OrderedDict()

    def write_page(
        self,
        jobs: Sequence[tuple[Job, frozenset[Scope]]],
        workers: Sequence[Worker],
        *,
        next_cursor: str | None,
        searched_back_to: datetime | None = None,
    ) -> str:
        """Return a page of jobs, each with the scopes that the caller lacks for it."""
        items = ",".join(self._write(job, workers, lacks) for job, lacks in jobs)
        rest = {"next_cursor": next_cursor, "searched_back_to": searched_back_to}
        return f'{{"items":[{items}],{orjson.dumps(rest, option=orjson.OPT_UTC_Z).decode()[1:]}'

    def _write(self, job: Job, workers: Sequence[Worker], lacks: frozenset[Scope]) -> str:
        if lacks:
            return view_job(job, workers=workers, lacks=lacks).model_dump_json()
        known = self._written.get(job.job_id)
        # Compare by identity: a job that the ledger has read again may differ.
        if known and known[0] is job:
            return known[1]
        text = view_job(job, workers=workers).model_dump_json()
        if job.status.is_final:
            self._written[job.job_id] = job, text
            if len(self._written) > _MOST:
                self._written.popitem(last=False)
        return text
