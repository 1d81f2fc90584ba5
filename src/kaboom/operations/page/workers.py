"""The workers with the chunks that they run, and the providers."""

from fastapi import APIRouter, Response

from kaboom.dashboard.page_request import Page, ask_all
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter()


@router.get("/workers", dependencies=[needs(Scope.JOBS_READ)])
async def show_workers(page: Page) -> Response:
    """Show the workers of the last 15 minutes, and all providers."""
    found = await ask_all(
        workers=page.ask("/api/v1/workers"),
        stats=page.ask("/api/v1/jobs/stats"),
        providers=page.ask("/api/v1/providers"),
    )
    rows = found["workers"].items
    return await page.show(
        "operations/workers.html",
        **found,
        online=[each for each in rows if each["state"] == "online"],
        rows=rows,
    )
