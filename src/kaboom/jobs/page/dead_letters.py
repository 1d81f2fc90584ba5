"""The chunks that were given up, with the way to run them again."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import Page
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/dead-letters"
#: The API's `is_retried` for each `shown` in the query.
_SHOWN = {"open": "false", "retried": "true", "all": None}


class LetterFilters(BaseModel):
    """The query of the page."""

    shown: str = Field(default="open", pattern="^(open|retried|all)$")
    cursor: str | None = Field(default=None, max_length=200)
    done: str = Field(default="", max_length=20)
    n: int = Field(default=0, ge=0, le=1000)
    refused: int = Field(default=0, ge=0, le=1000)


@router.get("/dead-letters", dependencies=[needs(Scope.JOBS_READ)])
async def show_dead_letters(page: Page, filters: Annotated[LetterFilters, Query()]) -> Response:
    """Show chunks that were given up, newest first; by default those whose job was not retried."""
    found = await page.ask(API, is_retried=_SHOWN[filters.shown], cursor=filters.cursor)
    here = link_to("/dead-letters", shown="" if filters.shown == "open" else filters.shown)
    if found.status == 400 and filters.cursor:
        return page.go_to(here)
    return await page.show(
        "operations/dead_letters.html",
        found=found,
        filters=filters,
        choices=tuple(_SHOWN),
        **page_links(here, found, filters.cursor),
    )
