"""The dashboard's routes: its pages, static files, and the viewer's preferences."""

from typing import cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from kaboom.accounts import page as accounts
from kaboom.analysis import page as analyses
from kaboom.backtest.page import forms as backtest_forms
from kaboom.backtest.page import reports
from kaboom.dashboard.api_client import ProblemAnswered
from kaboom.dashboard.browser import BrowserAnswers
from kaboom.dashboard.language import CHOICES, KEPT_S, cookie_of
from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.page_request import NextPath, Page, open_page, pages_of
from kaboom.dashboard.renderer import Pages
from kaboom.dashboard.series import HeldSeries
from kaboom.dashboard.static_files import StaticFiles
from kaboom.dashboard.viewer import is_own_path
from kaboom.errors import NotFound
from kaboom.jobs.deps import needs
from kaboom.jobs.page import dead_letters, failures, job, jobs
from kaboom.jobs.page import forms as job_forms
from kaboom.market_data.page import coverage, fetch, quarantine, symbol
from kaboom.notify.page import channels, notifications, rules
from kaboom.operations.page import overview, settings, workers
from kaboom.portfolio import page as portfolios
from kaboom.schedules.page import forms as schedule_forms
from kaboom.schedules.page import schedules
from kaboom.web.auth.guard import STATIC_PREFIX
from kaboom.webhooks import page as webhooks

router = APIRouter(include_in_schema=False)
#: The modules of all pages. `/backtests/new` comes before the page of one backtest, whose path would match it, too.
_PAGES = (
    accounts, overview, jobs, job, failures, job_forms, dead_letters,
    coverage, fetch, quarantine, symbol, portfolios, backtest_forms, reports, analyses,
    schedules, schedule_forms, workers, webhooks, notifications, channels, rules,
    settings,
)  # fmt: skip


def install_dashboard(app: FastAPI, *, release: str | None) -> None:
    """Add the dashboard to the API; call it after `Gate` was added, so that errors of `Gate` become pages, too."""
    app.state.pages = pages = Pages(StaticFiles(), release=release or app.version)
    app.state.live_rows, app.state.held_series = LiveRows(), HeldSeries()
    app.add_middleware(BrowserAnswers, pages=pages)
    app.add_exception_handler(ProblemAnswered, _show_problem)
    app.include_router(router)
    for page in _PAGES:
        app.include_router(page.router, include_in_schema=False)


async def _show_problem(request: Request, error: Exception) -> Response:
    page = await open_page(request)
    return await page.show_problem(cast("ProblemAnswered", error).reply)


@router.get(STATIC_PREFIX + "{tree}/{name:path}")
async def static_file(request: Request, tree: str, name: str) -> Response:
    """Return a static file; under the hash of the current tree it never changes."""
    found = pages_of(request).static.answer(tree, name, request.headers)
    if found is None:
        raise NotFound("there is no such static file")
    return found


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Return the icon that browsers request by default."""
    return await static_file(request, "", "icon.svg")


@router.get("/prefer")
async def prefer(request: Request, to: NextPath = "/") -> Response:
    """Save a preference of the viewer in a cookie: language, theme or price colours; it gives no access."""
    response = RedirectResponse(to if is_own_path(to) else "/", status_code=303)
    for name, choices in CHOICES.items():
        value = request.query_params.get(name, "")
        if value in choices:
            is_secure = request.url.scheme == "https"
            response.set_cookie(cookie_of(name), value, max_age=KEPT_S, secure=is_secure, samesite="lax")
    return response


@router.get("/docs", dependencies=[needs()])
async def show_docs(page: Page) -> Response:
    """Show every operation; the viewer can try it with their own rights."""
    return await page.show("docs.html")


@router.get("/more", dependencies=[needs()])
async def show_more(page: Page) -> Response:
    """Show every page, and the preferences of the viewer."""
    return await page.show("more.html", choices=CHOICES)
