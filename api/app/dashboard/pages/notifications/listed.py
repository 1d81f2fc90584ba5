"""The page of notifications: rules, channels and the delivery log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.auth.scopes import Scope
from app.dashboard.page import Page, ask_all
from app.dashboard.pages.operations.webhooks import MARKS
from app.dashboard.shapes.links import link_to, page_links
from app.deps import needs
from app.ledger.outbox.port import DeliveryStatus
from app.notifications.routes import PREFIX
from app.words.notifications import EVENT_KINDS

router = APIRouter()
_SHOWN = 50


class LogFilters(BaseModel):
    """The query of the page."""

    status: DeliveryStatus | None = None
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)
    done: str = Field(default="", max_length=20)


@router.get("/notifications", dependencies=[needs(Scope.ADMIN)])
async def show_notifications(page: Page, filters: Annotated[LogFilters, Query()]) -> Response:
    """Show rules, channels and the newest messages."""
    status = filters.status.value if filters.status else None
    found = await ask_all(
        rules=page.ask(f"{PREFIX}/rules"),
        channels=page.ask(f"{PREFIX}/channels"),
        log=page.ask(f"{PREFIX}/messages", status=status, cursor=filters.cursor, limit=_SHOWN),
        dead=page.ask(f"{PREFIX}/messages", status="dead", limit=1),
    )
    rows = {name: reply.items for name, reply in found.items()}
    here = link_to("/notifications", status=status)
    return await page.show(
        "notifications/list.html",
        found=found,
        rows=rows,
        filters=filters,
        status=status,
        states=[each.value for each in DeliveryStatus],
        names={each["id"]: each["name"] for each in rows["channels"]},
        kinds=kinds_in(page.viewer.language),
        **page_links(here, found["log"], filters.cursor),
        delivery_marks=MARKS,
    )


def kinds_in(language: str) -> dict[str, str]:
    """Return the names of the kinds of events."""
    return {kind: pair[language == "ja"] for kind, pair in EVENT_KINDS.items()}
