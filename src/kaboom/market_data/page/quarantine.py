"""The rows that quality rules rejected: by session, symbol and reason."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import Page
from kaboom.jobs.deps import needs
from kaboom.market.interval import Interval
from kaboom.providers.registry import provider_names
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/bars/quarantine"
_PAGE = 100


class RowFilters(BaseModel):
    """The query of the page; the API checks it."""

    interval: Interval = Interval.M1
    provider: str = Field(default="", max_length=40)
    session: str = Field(default="", max_length=10)
    symbol: str = Field(default="", max_length=100)
    reason: str = Field(default="", max_length=40)
    cursor: str | None = Field(default=None, max_length=300)

    def link(self, **changed: str) -> str:
        """Return the link of the page with some filters changed, from its first row on."""
        values = self.model_dump(mode="json", exclude={"cursor"}) | changed
        return link_to("/quarantine", **values | {"interval": "" if values["interval"] == "1m" else values["interval"]})


@router.get("/quarantine", dependencies=[needs(Scope.BARS_READ)])
async def show_quarantine(page: Page, filters: Annotated[RowFilters, Query()]) -> Response:
    """Show rejected rows, newest first."""
    asked = filters.model_dump(mode="json") | {"limit": _PAGE}
    found = await page.api.get(API, asked)
    if found.status == 400 and filters.cursor:
        return page.go_to(filters.link())
    return await page.show(
        "operations/quarantine.html",
        200 if found.is_ok or found.status >= 500 else found.status,
        found=found,
        filters=filters,
        intervals=[interval.value for interval in Interval],
        providers=provider_names(),
        is_daily=filters.interval is Interval.D1,
        **page_links(filters.link(), found, filters.cursor),
    )
