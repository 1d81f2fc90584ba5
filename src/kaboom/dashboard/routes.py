"""The dashboard's routes: its pages, static files, and the viewer's preferences."""

from typing import cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from app.auth.guard import STATIC_PREFIX
from app.dashboard.asking import ProblemAnswered
from app.dashboard.browser import BrowserAnswers
from app.dashboard.held_series import HeldSeries
from app.dashboard.language import CHOICES, KEPT_S, cookie_of
from app.dashboard.live import LiveRows
from app.dashboard.page import NextPath, open_page, pages_of
from app.dashboard.pages import (
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
from app.dashboard.pages.admin import audit, sessions, settings, tokens, users
from app.dashboard.pages.analyses import listed as analyses
from app.dashboard.pages.analyses import one as analysis
from app.dashboard.pages.backtests import compared, forms, listed, one
from app.dashboard.pages.notifications import forms as notification_forms
from app.dashboard.pages.notifications import listed as notifications
from app.dashboard.pages.notifications import rule_forms
from app.dashboard.pages.operations import dead_letters, quarantine, schedule_forms, schedules, webhooks, workers
from app.dashboard.pages.portfolios import listed as portfolios
from app.dashboard.pages.portfolios import one as portfolio
from app.dashboard.rendering import Pages
from app.dashboard.static_files import StaticFiles
from app.dashboard.viewer import is_own_path
from batch.errors import NotFound

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
