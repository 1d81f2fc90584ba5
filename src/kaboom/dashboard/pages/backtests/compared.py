"""Runs side by side."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from kaboom.dashboard.page import Page
from kaboom.dashboard.pages.backtests.listed import API
from kaboom.dashboard.shapes.backtests.numbers import METRICS, NUMBERS
from kaboom.dashboard.shapes.backtests.report_plots import build_comparison
from kaboom.jobs.deps import needs
from kaboom.web.auth.scopes import Scope

router = APIRouter()


@router.get("/backtests/compare", dependencies=[needs(Scope.JOBS_READ)])
async def show_comparison(
    page: Page, job: Annotated[list[Annotated[str, Query(max_length=100)]] | None, Query(max_length=20)] = None
) -> Response:
    """Show the runs of the query side by side."""
    chosen = list(dict.fromkeys(job or ()))
    if len(chosen) < 2:
        return await page.show("backtests/compare.html", 200, found=None, chart=None, **NUMBERS)
    found = (await page.api.get(f"{API}/compare", {"job": chosen})).require()
    return await page.show(
        "backtests/compare.html",
        found=found.data,
        chart=build_comparison(found.data),
        metrics=METRICS,
        **NUMBERS,
    )
