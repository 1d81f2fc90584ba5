"""All failures of a job as a file for a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from kaboom.dashboard.page_request import HexId, Page
from kaboom.jobs.api.view import Failure, FailurePage
from kaboom.jobs.deps import needs
from kaboom.jobs.page.job import QueuePath
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_COLUMNS = ("item", "interval", "outcome", "attempts", "message")
_PAGE, _MOST_PAGES = 1000, 50
#: The first characters of a text that a spreadsheet would run as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("/jobs/{queue}/{job_id}/failures.csv", dependencies=[needs(Scope.JOBS_READ)])
async def download_failures(
    page: Page, queue: QueuePath, job_id: HexId, outcome: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Return at most 50,000 failures of a job as CSV in UTF-8, with the byte order mark that Excel needs."""
    rows: list[Failure] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        path = f"/api/v1/{queue}/jobs/{job_id}/failures"
        found = (await page.api.get(FailurePage, path, outcome=outcome, limit=_PAGE, cursor=cursor)).data
        rows += found.items
        cursor = found.next_cursor
        if not cursor:
            break
    headers = {
        "Content-Disposition": f'attachment; filename="failures-{job_id[:8]}.csv"',
        "Cache-Control": "private, no-store",
    }
    return Response(_write(rows), headers=headers, media_type="text/csv; charset=utf-8")


def _write(rows: Sequence[Failure]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows([_plain(getattr(row, name)) for name in _COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _plain(value: object) -> str:
    """Return a value as text; a quote before a formula prevents a spreadsheet from running it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
