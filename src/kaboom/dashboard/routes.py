"""The dashboard's routes: its pages, static files, and the viewer's preferences."""

from typing import cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from kaboom.dashboard.asking import ProblemAnswered
from kaboom.dashboard.browser import BrowserAnswers
from kaboom.dashboard.held_series import HeldSeries
from kaboom.dashboard.language import CHOICES, KEPT_S, cookie_of
from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.page import NextPath, open_page, pages_of
from kaboom.dashboard.pages import (
    data,
    data_fetch,
    docs,
    job,
    job_failures,
    job_forms,
    jobs,
    live_rows,
    login,
    more,
    overview,
    symbol,
)
from kaboom.dashboard.pages.admin import audit, sessions, settings, tokens, users
from kaboom.dashboard.pages.analyses import listed as analyses
from kaboom.dashboard.pages.analyses import one as analysis
from kaboom.dashboard.pages.backtests import compared, forms, listed, one
from kaboom.dashboard.pages.notifications import forms as notification_forms
from kaboom.dashboard.pages.notifications import listed as notifications
from kaboom.dashboard.pages.notifications import rule_forms
from kaboom.dashboard.pages.operations import dead_letters, quarantine, schedule_forms, schedules, webhooks, workers
from kaboom.dashboard.pages.portfolios import listed as portfolios
from kaboom.dashboard.pages.portfolios import one as portfolio
from kaboom.dashboard.rendering import Pages
from kaboom.dashboard.static_files import StaticFiles
from kaboom.dashboard.viewer import is_own_path
from kaboom.errors import NotFound
from kaboom.web.auth.guard import STATIC_PREFIX

#: The modules of all pages. The page of one backtest comes after the others: its path would match theirs.
_PAGES = (
    login, overview, jobs, job, job_failures, job_forms, live_rows, docs,
    data, data_fetch, symbol, more, portfolios, portfolio,
    listed, forms, compared, one, analyses, analysis,
    schedules, schedule_forms, workers, dead_letters, webhooks, quarantine,
    settings, users, tokens, sessions, audit, notifications, notification_forms, rule_forms,
)  # fmt: skip

router = APIRouter(include_in_schema=False)


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
