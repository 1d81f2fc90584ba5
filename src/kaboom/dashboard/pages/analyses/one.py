"""One analysis: its report with sources, agreement and cost; for a dry run, what would be sent."""

from uuid import uuid4

from fastapi import APIRouter, Response

from kaboom.dashboard.page import HexId, Page, ask_all
from kaboom.dashboard.pages.analyses.listed import API
from kaboom.dashboard.shapes.analyses import Report, sum_up
from kaboom.dashboard.shapes.job_rows import JobRow
from kaboom.jobs.deps import needs
from kaboom.pictures.process import can_draw
from kaboom.web.auth.scopes import Scope

router = APIRouter()


@router.get("/analyses/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_analysis(page: Page, job_id: HexId) -> Response:
    """Show an analysis; until it has ended, the page reloads automatically."""
    found = await ask_all(job=page.ask(f"{API}/jobs/{job_id}"), models=page.ask(f"{API}/models"))
    found["job"].require()
    row = JobRow(found["job"].data)
    previews = row.result.get("previews") or []
    return await page.show(
        "analyses/preview.html" if previews else "analyses/one.html",
        row=row,
        result=row.result,
        request=row.job["request"] or {},
        reports=[Report(one) for one in row.result.get("analyses") or ()],
        whole=sum_up(row.result),
        models=found["models"],
        draws=can_draw() and page.viewer.may(Scope.BARS_READ),
        key=uuid4().hex,
    )
