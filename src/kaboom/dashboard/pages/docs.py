"""The API reference: Swagger UI with the API's OpenAPI document."""

from fastapi import APIRouter, Response

from kaboom.dashboard.page import Page
from kaboom.jobs.deps import needs

router = APIRouter()


@router.get("/docs", dependencies=[needs()])
async def show_docs(page: Page) -> Response:
    """Show every operation; the viewer can try it with their own rights."""
    return await page.show("docs.html")
