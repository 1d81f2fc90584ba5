"""All pages and preferences: the bar of a phone has room for only five pages."""

from fastapi import APIRouter, Response

from kaboom.dashboard.language import CHOICES
from kaboom.dashboard.page import Page
from kaboom.jobs.deps import needs

router = APIRouter()


@router.get("/more", dependencies=[needs()])
async def show_more(page: Page) -> Response:
    """Show every page, and the preferences of the viewer."""
    return await page.show("more.html", choices=CHOICES)
