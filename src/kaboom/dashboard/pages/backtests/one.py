"""One backtest or sweep: its progress, then its report, which the API draws."""

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from kaboom.backtest.report.costs import describe_costs
from kaboom.dashboard.asking import Reply
from kaboom.dashboard.page import HexId, OpenPage, Page, ask_all
from kaboom.dashboard.pages.backtests.listed import API
from kaboom.dashboard.shapes.backtests.candlestick_plot import build_candlesticks
from kaboom.dashboard.shapes.backtests.numbers import METRICS, NUMBERS
from kaboom.dashboard.shapes.backtests.report_plots import build_report_plots
from kaboom.dashboard.shapes.backtests.surface_table import build_surface
from kaboom.dashboard.shapes.company_names import CompanyName, name_of
from kaboom.dashboard.shapes.job_rows import JobRow
from kaboom.errors import InvalidRequest
from kaboom.jobs.deps import needs
from kaboom.text.language import Language
from kaboom.web.auth.scopes import Scope

router = APIRouter()
#: The metrics that are not shown for the benchmark.
_OTHER = ("exposure", "hit_rate", "turnover", "fees")


@router.get("/backtests/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_backtest(page: Page, job_id: HexId) -> Response:
    """Show a backtest or a sweep."""
    return await page.share(partial(_show, job_id=job_id))


async def _show(page: OpenPage, *, job_id: str) -> Response:
    job = (await page.ask(f"{API}/jobs/{job_id}")).require()
    row, result = JobRow(job.data), f"{API}/results/{job_id}"
    asked: dict[str, Awaitable[Reply]] = {}
    if row.is_final:
        asked |= {"summary": page.ask(result), "report": page.ask(f"{result}/report.json")}
    if row.is_final and row.job["task"] == "backtest.sweep":
        asked["surface"] = page.ask(f"{result}/surface.json")
    found = {name: reply.data for name, reply in (await ask_all(**asked)).items()}
    content = found.get("report")
    return await page.show(
        "backtests/one.html",
        row=row,
        request=job.data["request"] or {},
        summary=found.get("summary"),
        content=content,
        plots=build_report_plots(content["curves"]) if content else None,
        candles=build_candlesticks(content["candles"]) if content else None,
        surface=build_surface(found.get("surface")),
        costs=_costs_of(job.data["request"] or {}, page.viewer.language),
        files=result,
        metrics=METRICS,
        not_of_benchmark=_OTHER,
        symbol_name=await _ask_name(page, content),
        **NUMBERS,
    )


def _costs_of(request: Mapping[str, Any], language: Language) -> str:
    try:
        return describe_costs(request.get("model", {}))[language == "ja"]
    except InvalidRequest:
        # A later release wrote it.
        return ""


async def _ask_name(page: OpenPage, content: dict[str, Any] | None) -> CompanyName | None:
    """Return the name of the company if one symbol was tested; None if the name is unknown."""
    symbols = content["summary"]["request"].get("symbols") if content else None
    if not symbols or len(symbols) != 1:
        return None
    listed = await page.ask("/api/v1/symbols", q=symbols[0], limit=50)
    found = (row for row in listed.items if row["symbol"] == symbols[0])
    return next((name_of(row, page.viewer.language) for row in found), None)
