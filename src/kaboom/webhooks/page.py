"""The webhooks about jobs: their deliveries and their replay."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from kaboom.dashboard.deliveries import MARKS, DeliveryFilters
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import Page
from kaboom.dashboard.viewer import first_of, is_own_path, read_form
from kaboom.jobs.deps import needs
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.web.auth.scopes import Scope
from kaboom.webhooks.schemas import WEBHOOKS, DeliveryPage, DeliveryView

router = APIRouter()
DeliveryId = Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$")]


class WebhookFilters(DeliveryFilters):
    """The query of the page."""

    job_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")


@router.get("/webhooks", dependencies=[needs(Scope.JOBS_READ)])
async def show_webhooks(page: Page, filters: Annotated[WebhookFilters, Query()]) -> Response:
    """Show webhooks, newest first."""
    found = await page.api.get(
        DeliveryPage, WEBHOOKS, status=filters.status, job_id=filters.job_id, cursor=filters.cursor
    )
    here = link_to("/webhooks", status=filters.status, job_id=filters.job_id)
    return await page.show(
        "operations/webhooks.html",
        found=found,
        filters=filters,
        states=[each.value for each in DeliveryStatus],
        **page_links(here, found, filters.cursor),
        delivery_marks=MARKS,
        host_of=_host_of,
    )


@router.post("/webhooks/{delivery_id}/again", dependencies=[needs(Scope.JOBS_WRITE)])
async def replay_webhook(page: Page, request: Request, delivery_id: DeliveryId) -> Response:
    """Send a delivered or dead webhook again."""
    back = first_of(await read_form(request), "next")
    (await page.api.post(DeliveryView, f"{WEBHOOKS}/{delivery_id}/replay")).require()
    return page.go_to(link_to(back if is_own_path(back) else "/webhooks", done="again"))


def _host_of(url: str) -> str:
    """Return the host of a receiver; the whole URL is long, and may contain a signature."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
