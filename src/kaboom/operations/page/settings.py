"""The settings, with every secret hidden."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from kaboom.dashboard.page_request import Page
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter()


@router.get("/settings", dependencies=[needs(Scope.ADMIN)])
async def show_settings(page: Page, shown: Annotated[str, Query(pattern="^(all|changed|secret)$")] = "all") -> Response:
    """Show the settings of the API: all, those that are not the default, or only secrets."""
    found = await page.ask("/api/v1/settings")
    rows = found.items
    kept = {
        "all": rows,
        "changed": [row for row in rows if not row["is_default"]],
        "secret": [row for row in rows if row["is_secret"]],
    }
    counts = {name: len(each) for name, each in kept.items()}
    return await page.show("admin/settings.html", found=found, rows=kept[shown], counts=counts, shown=shown)
