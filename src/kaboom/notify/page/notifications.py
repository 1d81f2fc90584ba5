"""The page of notifications: rules, channels and the delivery log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from kaboom.dashboard.deliveries import MARKS, DeliveryFilters
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import Page, ask_all
from kaboom.jobs.deps import needs
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.routes import PREFIX
from kaboom.text.language import Language
from kaboom.text.tables import TITLES, say_title
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_SHOWN = 50


@router.get("/notifications", dependencies=[needs(Scope.ADMIN)])
async def show_notifications(page: Page, filters: Annotated[DeliveryFilters, Query()]) -> Response:
    """Show rules, channels and the newest messages."""
    found = await ask_all(
        rules=page.ask(f"{PREFIX}/rules"),
        channels=page.ask(f"{PREFIX}/channels"),
        log=page.ask(f"{PREFIX}/messages", status=filters.status, cursor=filters.cursor, limit=_SHOWN),
        dead=page.ask(f"{PREFIX}/messages", status="dead", limit=1),
    )
    rows = {name: reply.items for name, reply in found.items()}
    here = link_to("/notifications", status=filters.status)
    return await page.show(
        "notifications/list.html",
        found=found,
        rows=rows,
        filters=filters,
        states=[each.value for each in DeliveryStatus],
        names={each["id"]: each["name"] for each in rows["channels"]},
        kinds=kinds_in(page.viewer.language),
        **page_links(here, found["log"], filters.cursor),
        delivery_marks=MARKS,
    )


def kinds_in(language: Language) -> dict[str, str]:
    """Return the names of the kinds of events."""
    return {kind: say_title("event", kind, language) for kind in TITLES["event"]}
