"""The API reference: Swagger UI over the API's own description."""

from fastapi import APIRouter, Response

from app.dashboard.page import Page
from app.deps import needs

router = APIRouter()


@router.get("/docs", dependencies=[needs()])
async def show_docs(page: Page) -> Response:
    """Show every operation, and try it with the viewer's own rights."""
    return await page.show("docs.html")
