"""The audit log: who changed what, when and from where."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import Page
from kaboom.jobs.deps import needs
from kaboom.market.calendar import JST
from kaboom.web.auth.scopes import Scope

router = APIRouter()


class AuditFilters(BaseModel):
    """The query of the page; `first` and `last` are days in Japan, both included."""

    subject: str = Field(default="", max_length=250)
    action: str = Field(default="", max_length=64)
    first: date | None = None
    last: date | None = None
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)

    def link(self, **changed: object) -> str:
        """Return the link of the page with some filters changed, from its first row on."""
        return link_to("/audit", **self.model_dump(mode="json", exclude={"cursor"}) | changed)


@router.get("/audit", dependencies=[needs(Scope.ADMIN)])
async def show_audit(page: Page, filters: Annotated[AuditFilters, Query()]) -> Response:
    """Show what callers changed, newest first."""
    since = _midnight(filters.first) if filters.first else None
    until = _midnight(filters.last + timedelta(days=1)) if filters.last else None
    found = await page.ask(
        "/api/v1/audit",
        subject=filters.subject,
        action=filters.action,
        since=since,
        until=until,
        cursor=filters.cursor,
    )
    return await page.show(
        "admin/audit.html",
        200 if found.is_ok or found.status >= 500 else found.status,
        found=found,
        filters=filters,
        **page_links(filters.link(), found, filters.cursor),
    )


def _midnight(day: date) -> str:
    return datetime.combine(day, time(), JST).isoformat()
