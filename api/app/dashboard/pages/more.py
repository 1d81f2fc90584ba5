"""All places and preferences: no bar has room for all, a phone's for five."""

from fastapi import APIRouter, Response

from app.dashboard.language import CHOICES
from app.dashboard.page import Page
from app.deps import needs

router = APIRouter()


@router.get("/more", dependencies=[needs()])
async def show_more(page: Page) -> Response:
    """Show every place, and what a viewer may prefer."""
    return await page.show("more.html", choices=CHOICES)
