"""One job: its progress, the outcomes of its items, its events and log, and its actions."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from kaboom.dashboard.asking import Reply
from kaboom.dashboard.page import HexId, OpenPage, Page, ask_all
from kaboom.dashboard.shapes.company_names import CompanyName, name_of
from kaboom.dashboard.shapes.happened import list_notices, pause_seconds
from kaboom.dashboard.shapes.job_rows import JobRow
from kaboom.dashboard.shapes.timeline import build_timeline
from kaboom.jobs.deps import needs
from kaboom.jobs.queues import Queue
from kaboom.jobs.redis.lines import LEVELS
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_FAILURES = 20
_MOST_FAILURES = 1000
_LINES = 200
#: All lines that the API keeps.
_KEPT_LINES = 1000

QueuePath = Annotated[str, Path(pattern="^[a-z][a-z-]{0,30}$")]


@router.get("/jobs/{queue}/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_job(
    page: Page,
    queue: QueuePath,
    job_id: HexId,
    outcome: Annotated[str, Query(max_length=40)] = "",
    level: Annotated[str, Query(pattern="^(debug|warning)$")] = "debug",
    shown: Annotated[str, Query(pattern="^(first|all)$")] = "first",
) -> Response:
    """Show a job; `outcome` and `shown` select failures, `level` selects lines of the log."""
    return await page.share(
        partial(_show, path=f"/api/v1/{queue}/jobs/{job_id}", outcome=outcome, level=level, shown=shown)
    )


async def _show(page: OpenPage, *, path: str, outcome: str, level: str, shown: str) -> Response:
    most = _MOST_FAILURES if shown == "all" else _FAILURES
    found = await ask_all(
        job=page.ask(path),
        failures=page.ask(f"{path}/failures", outcome=outcome, limit=most),
        chunks=page.ask(f"{path}/chunks", limit=1000),
        log=page.ask(f"{path}/logs", limit=_KEPT_LINES),
    )
    found["job"].require()
    row, chunks = JobRow(found["job"].data), found["chunks"]
    names = await _ask_names(page, row, found["failures"])
    kept = found["log"].items
    notices, more = list_notices(chunks.data, row.counts, kept)
    lines = [line for line in kept if LEVELS.index(line["level"]) >= LEVELS.index(level)]
    return await page.show(
        "job.html",
        **found,
        row=row,
        names=names,
        lines=lines[-_LINES:],
        lines_before=max(0, len(lines) - _LINES),
        warnings=level == "warning",
        outcome=outcome,
        notices=notices,
        more_notices=more,
        timeline=build_timeline(chunks.data, now=page.viewer.now) if chunks.is_ok else None,
        pauses=chunks.data["pauses"] if chunks.is_ok else None,
        paused_s=pause_seconds(chunks.data["pauses"]) if chunks.is_ok else None,
        child=next((line["fields"].get("as_job") for line in kept if line["event"] == "job_retried"), None),
    )


async def _ask_names(page: OpenPage, row: JobRow, failures: Reply) -> dict[str, CompanyName]:
    """Return the names of the failed symbols, by code; {} if the items are not symbols of a market."""
    market = row.job["market"]
    if row.job["queue"] != Queue.INGEST or not market or not failures.is_ok or not failures.data["items"]:
        return {}
    listed = await page.ask("/api/v1/universe", market=market)
    failed = {each["item"] for each in failures.data["items"]}
    return {each["symbol"]: name_of(each, page.viewer.language) for each in listed.items if each["symbol"] in failed}
