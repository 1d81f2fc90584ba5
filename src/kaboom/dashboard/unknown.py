"""An id or a code that nothing has: the page that says so, with those that look most like it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from fastapi import Path, Request, Response, status

from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.labels import name_of
from kaboom.dashboard.page_request import OpenPage, open_page
from kaboom.jobs.api.view import JobPage, JobView
from kaboom.market.symbol import find_nearest, normalise_symbol
from kaboom.market_data.schemas import ListedSymbol, SymbolPage

#: An id in the path of a page: any text, so that one that is no id gets a page, too.
AnyId = Annotated[str, Path(max_length=100)]
_HEX_ID = re.compile("[0-9a-f]{32}")
#: Letters of an id that are probably typed right.
_BEGIN = 8
_MOST = 5


type What = Literal["job", "symbol", "schedule", "portfolio"]


@dataclass(frozen=True, slots=True)
class Near:
    """Something that was perhaps meant: the path of its page, its id or code, and its task or name."""

    path: str
    text: str
    name: str


class UnknownName(Exception):
    """Nothing has the id or the code of a page; the viewer is shown what was perhaps meant."""

    def __init__(self, what: What, asked: str, near: Sequence[Near]) -> None:
        super().__init__(f"there is no {what} {asked}")
        self.what, self.asked, self.near = what, asked, near


async def show_unknown(request: Request, error: Exception) -> Response:
    """Answer 404 with what was perhaps meant."""
    page = await open_page(request)
    unknown = cast("UnknownName", error)
    values = {"what": unknown.what, "asked": unknown.asked, "near": unknown.near}
    return await page.show("unknown.html", status.HTTP_404_NOT_FOUND, **values)


async def ask_job(page: OpenPage, queue: str, job_id: str) -> JobView:
    """Ask for a job of a queue, as in paths.

    Raises:
        ProblemAnswered: the API answered with another problem.
        UnknownName: the viewer has no such job.

    """
    if is_id(job_id):
        reply = await page.api.get(JobView, f"/api/v1/{queue}/jobs/{job_id}")
        if reply.status != status.HTTP_404_NOT_FOUND or not (reply.problem or {}).get("request_id"):
            return reply.data
    found = await page.api.get(JobPage, "/api/v1/jobs", q=job_id[:_BEGIN], limit=_MOST)
    rows = map(JobRow, found.items)
    raise UnknownName("job", job_id, [Near(row.own_page or row.path, row.short_id, row.job.task) for row in rows])


def is_id(text: str) -> bool:
    """Return whether a text may be the id of a job, a schedule or a portfolio."""
    return _HEX_ID.fullmatch(text) is not None


def find_near_names(asked: str, listed: Iterable[Near]) -> list[Near]:
    """Return those whose id begins as a text does, or whose name holds it; without any, the first of the list."""
    every, text = list(listed), asked.casefold()
    found = [each for each in every if each.text.startswith(text[:_BEGIN]) or text in each.name.casefold()]
    return (found or every)[:_MOST]


async def find_near_symbols(page: OpenPage, text: str) -> list[Near]:
    """Return listed symbols whose code looks like a text, or whose name holds it; none if the list is unavailable."""
    code = normalise_symbol(text)[:20]
    listed: Sequence[ListedSymbol] = ()
    for words in dict.fromkeys((code, code[:3], code[:2])):
        listed = listed or (await page.api.get(SymbolPage, "/api/v1/symbols", q=words, limit=100)).items
    by_code = {each.symbol: each for each in listed}
    chosen = [by_code[each] for each in find_nearest(code, list(by_code))] or listed
    language = page.viewer.language
    return [Near(f"/symbols/{each.symbol}", each.symbol, name_of(each, language).text) for each in chosen[:_MOST]]
