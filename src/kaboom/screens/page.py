"""The pages of screens: ask once, save, and one screen with what entered and left by session."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from kaboom.dashboard.page_request import Page, ask_names
from kaboom.dashboard.viewer import check_form, first_of, read_form
from kaboom.indicators.expression import column_names
from kaboom.jobs.api.view import Accepted
from kaboom.jobs.deps import needs
from kaboom.market.listing import Market
from kaboom.screens.views import MatchList, PassedList, ScreenList, ScreenView
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API, MATCHES = "/api/v1/screens", "/api/v1/screen-matches"
_READS, _WRITES = [needs(Scope.BARS_READ)], [needs(Scope.JOBS_WRITE)]
_FIELDS = ("expression", "market", "session")
_MOST_SHOWN = 200

Name = Annotated[str, Path(alias="screen", max_length=40)]
_Text = Annotated[str, Query(max_length=2000)]
_Short = Annotated[str, Query(max_length=40)]


@router.get("/screens", dependencies=_READS)
async def show_screens(
    page: Page, expression: _Text = "", market: _Short = "", session: _Short = "", done: _Short = ""
) -> Response:
    """Show all screens, and what passes an expression if one is given."""
    given = dict(zip(_FIELDS, (expression, market, session), strict=True)) | {"name": ""}
    return await _show_list(page, given=given, done=done)


@router.post("/screens", dependencies=_WRITES)
async def save_screen(page: Page, request: Request) -> Response:
    """Save a screen, and open it."""
    fields = await read_form(request)
    given = {name: first_of(fields, name).strip() for name in ("name", *_FIELDS)}
    body = {name: given[name] for name in ("name", "expression", "market") if given[name]}
    reply = await page.api.post(ScreenView, API, body)
    if not reply.is_ok:
        return await _show_list(page, reply.status, given=given, refused=reply.problem)
    return page.go_to(f"/screens/{reply.data.name}")


async def _show_list(page: Page, status_code: int = 200, **values: Any) -> Response:
    given = values["given"]
    asked = {name: given[name] for name in _FIELDS if given[name].strip()}
    matches = (
        await page.api.get(MatchList, MATCHES, limit=_MOST_SHOWN, **asked) if given["expression"].strip() else None
    )
    problem = values.get("refused") or (matches.problem if matches and not matches.is_ok else None)
    names = {}
    if matches and matches.is_ok:
        symbols = {item.symbol for item in matches.data.items}
        names = await ask_names(page, given["market"] or Market.TSE_PRIME.value, symbols)
    return await page.show(
        "screens/list.html",
        status_code,
        found=await page.api.get(ScreenList, API),
        matches=matches,
        names=names,
        problem=problem,
        markets=[market.value for market in Market if market.is_section],
        columns=column_names(),
        **({"done": ""} | values),
    )


@router.get("/screens/{screen}", dependencies=_READS)
async def show_screen(page: Page, screen: Name) -> Response:
    """Show one screen, with what entered and left by session."""
    found = (await page.api.get(ScreenView, f"{API}/{screen}")).data
    results = await page.api.get(PassedList, f"{API}/{screen}/sessions", limit=60)
    return await page.show("screens/screen.html", screen=found, results=results)


# The audit log shows the names of these functions. They are those of the API.
@router.post("/screens/{screen}/run", dependencies=[needs(Scope.JOBS_WRITE, Scope.BARS_READ)])
async def run_screen(page: Page, request: Request, screen: Name) -> Response:
    """Run a screen as a job, and open the job."""
    fields = await read_form(request)
    # A job of a screen that is gone would fail later.
    (await page.api.get(ScreenView, f"{API}/{screen}")).require()
    day = first_of(fields, "session").strip()
    body = {"screen": screen} | ({"session": day} if day else {})
    job = (await page.api.post(Accepted, "/api/v1/market-data/screen", body)).require().data
    return page.go_to(f"/jobs/market-data/{job.job_id}")


@router.post("/screens/{screen}/delete", dependencies=_WRITES)
async def delete_screen(page: Page, request: Request, screen: Name) -> Response:
    """Delete a screen and its results."""
    await check_form(request)
    (await page.api.delete(f"{API}/{screen}")).require()
    return page.go_to("/screens?done=deleted")
