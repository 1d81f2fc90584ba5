"""One backtest or sweep: its progress, then its report, which the API draws."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from app.auth.scopes import Scope
from app.dashboard.asking import Reply
from app.dashboard.page import HexId, OpenPage, Page, ask_all
from app.dashboard.pages.backtests.listed import API
from app.dashboard.shapes.backtests.candlestick_plot import build_candlesticks
from app.dashboard.shapes.backtests.numbers import METRICS, NUMBERS
from app.dashboard.shapes.backtests.report_plots import build_report_plots
from app.dashboard.shapes.backtests.surface_table import build_surface
from app.dashboard.shapes.job_rows import JobRow
from app.deps import needs

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
    found: dict[str, Reply | None] = {"found": None, "report": None, "surface": None}
    if row.is_final:
        report, surface = page.ask(f"{result}/report.json"), _ask_surface(page, row, result)
        found.update(await ask_all(found=page.ask(result), report=report, surface=surface))
    content = _data(found["report"])
    return await page.show(
        "backtests/one.html",
        row=row,
        request=job.data["request"] or {},
        summary=_data(found["found"]),
        content=content,
        plots=build_report_plots(content["curves"]) if content else None,
        candles=build_candlesticks(content["candles"]) if content else None,
        surface=build_surface(_data(found["surface"])),
        files=result,
        metrics=METRICS,
        not_of_benchmark=_OTHER,
        symbol_name=await _ask_name(page, content),
        **NUMBERS,
    )


async def _ask_surface(page: OpenPage, row: JobRow, result: str) -> Reply:
    if row.job["task"] != "backtest.sweep":
        return Reply(404, problem={})
    return await page.ask(f"{result}/surface.json")


async def _ask_name(page: OpenPage, content: dict[str, Any] | None) -> str:
    """Return the name of the company if one symbol was tested; "" if the name is unknown."""
    symbols = content["summary"]["request"].get("symbols") if content else None
    if not symbols or len(symbols) != 1:
        return ""
    listed = await page.ask("/api/v1/symbols", q=symbols[0], limit=50)
    rows = listed.items
    return next((str(row["name"]) for row in rows if row["symbol"] == symbols[0]), "")


def _data(reply: Reply | None) -> Any:
    return reply.data if reply is not None and reply.is_ok else None
