"""The list of portfolios, and the form for a new one."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kaboom.dashboard.page import Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.jobs.deps import needs
from kaboom.providers.registry import provider_names
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/portfolios"


@router.get("/portfolios", dependencies=[needs(Scope.PORTFOLIOS_READ)])
async def show_portfolios(page: Page) -> Response:
    """Show all portfolios, by name."""
    return await _show(page)


@router.post("/portfolios", dependencies=[needs(Scope.PORTFOLIOS_WRITE)])
async def create_portfolio(page: Page, request: Request) -> Response:
    """Create a portfolio, and open it."""
    fields = await read_form(request)
    given = {"name": first_of(fields, "name").strip(), "provider": first_of(fields, "provider")}
    reply = await page.api.post(API, {name: value for name, value in given.items() if value})
    if not reply.is_ok:
        return await _show(page, reply.status, given=given, problem=reply.problem)
    return page.go_to(f"/portfolios/{reply.data['id']}")


async def _show(page: Page, status_code: int = 200, **values: Any) -> Response:
    found = await page.ask(API)
    defaults = {"given": {"name": "", "provider": ""}, "problem": None}
    return await page.show(
        "portfolios/list.html",
        status_code,
        found=found,
        providers=provider_names(),
        **(defaults | values),
    )
