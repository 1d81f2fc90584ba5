"""The list of backtests and sweeps, in which viewers choose some to compare."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from kaboom.dashboard.page import Page
from kaboom.dashboard.shapes.backtests.numbers import NUMBERS
from kaboom.dashboard.shapes.job_rows import JobRow
from kaboom.dashboard.shapes.links import page_links
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/backtest"
_PAGE = 50


@router.get("/backtests", dependencies=[needs(Scope.JOBS_READ)])
async def show_backtests(
    page: Page,
    cursor: Annotated[str, Query(max_length=200)] = "",
    job: Annotated[list[str] | None, Query(max_length=8)] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show backtests, newest first; `job` names those that are chosen."""
    found = await page.ask("/api/v1/jobs", queue="backtest", cursor=cursor, limit=_PAGE)
    if found.status == 400 and cursor:
        # The cursor is of an older release: begin with the first row.
        return page.go_to("/backtests")
    return await page.show(
        "backtests/list.html",
        found=found,
        rows=[(row, result_of(row)) for row in map(JobRow, found.items)],
        chosen=frozenset(job or ()),
        **page_links("/backtests", found, cursor),
        done=done if done == "cancel" else "",
        **NUMBERS,
    )


def result_of(row: JobRow) -> Mapping[str, Any]:
    """Return the result of a backtest, or the plan of a sweep, with empty values for missing fields of its row."""
    return {"strategy": "", "parameters": {}, "request": {}, "metrics": {}} | dict(row.result)
