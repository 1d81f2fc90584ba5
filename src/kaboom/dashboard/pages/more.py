"""All pages and preferences: the bar of a phone has room for only five pages."""

from fastapi import APIRouter, Response

from app.dashboard.language import CHOICES
from app.dashboard.page import Page
from app.deps import needs

router = APIRouter()


@router.get("/more", dependencies=[needs()])
async def show_more(page: Page) -> Response:
    """Show every page, and the preferences of the viewer."""
    return await page.show("more.html", choices=CHOICES)
