"""The pages of backtests: the list, the comparison of several, and the report of one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from kaboom.backtest.report import text
from kaboom.backtest.report.candlesticks import draw_candlesticks
from kaboom.backtest.report.charts import draw_comparison, draw_curve, draw_equity
from kaboom.backtest.report.comparison import find_best, name_runs
from kaboom.backtest.report.content import ReportContent, ReportCurves
from kaboom.backtest.report.conventions import describe_costs
from kaboom.backtest.results import FoundBySweep, RunResult, RunsCompared
from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.labels import CompanyName, label
from kaboom.dashboard.links import page_links
from kaboom.dashboard.page_request import OpenPage, Page, ask_names_of
from kaboom.dashboard.unknown import AnyId, ask_job
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import JobPage
from kaboom.jobs.deps import needs
from kaboom.text.catalogue import Language
from kaboom.text.tables import AGAINST
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/backtest"
_PAGE = 50
#: The kinds of jobs that are listed; the page of a portfolio shows its paper sessions.
_TASKS = ("backtest.run", "backtest.sweep")
#: The metrics of a report, in the order of the page, and those that are not shown for the benchmark.
METRICS = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "longest_below_peak", "exposure",
    "alpha", "beta", "tracking_error", "information_ratio", "up_capture", "down_capture", "hit_rate", "turnover",
    "fees",
)  # fmt: skip
_OTHER = ("exposure", "hit_rate", "turnover", "fees", *AGAINST)
#: Functions of texts by their names in templates.
NUMBERS = {
    each.__name__: each
    for each in (
        text.metric, text.number, text.percent, text.signed_percent, text.signed, text.month, text.tint, text.way,
        text.local, text.short_parameters, text.list_parameters, text.shown,
    )
}  # fmt: skip


@router.get("/backtests", dependencies=[needs(Scope.JOBS_READ)])
async def show_backtests(
    page: Page,
    cursor: Annotated[str, Query(max_length=200)] = "",
    job: Annotated[list[str] | None, Query(max_length=8)] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show backtests, newest first; `job` names those that are chosen."""
    found = await page.api.get(JobPage, "/api/v1/jobs", queue="backtest", task=_TASKS, cursor=cursor, limit=_PAGE)
    if found.status == 400 and cursor:
        # The cursor is of an older release: begin with the first row.
        return page.go_to("/backtests")
    return await page.show(
        "backtests/list.html",
        found=found,
        rows=[(row, result_of(row)) for row in map(JobRow, found.items)],
        chosen=frozenset(job or ()),
        **page_links("/backtests", found, cursor),
        done=done if done == "cancel" else "",
        **NUMBERS,
    )


def result_of(row: JobRow) -> Mapping[str, Any]:
    """Return the result of a backtest, or the plan of a sweep, with empty values for missing fields of its row."""
    return {"strategy": "", "parameters": {}, "request": {}, "metrics": {}} | dict(row.result)


@router.get("/backtests/compare", dependencies=[needs(Scope.JOBS_READ)])
async def show_comparison(
    page: Page, job: Annotated[list[Annotated[str, Query(max_length=100)]] | None, Query(max_length=20)] = None
) -> Response:
    """Show the runs of the query side by side."""
    chosen = list(dict.fromkeys(job or ()))
    if len(chosen) < 2:
        return await page.show("backtests/compare.html", 200, found=None, chart=None, **NUMBERS)
    found = (await page.api.get(RunsCompared, f"{API}/compare", job=chosen)).data
    runs = found.items
    names = name_runs(found, lambda strategy: label("strategy_name", strategy, page.viewer.language))
    rows = {name: [run.metrics.get(name) for run in runs] for name in METRICS}
    rows["longest_below_peak"] = [run.longest_below_peak for run in runs]
    return await page.show(
        "backtests/compare.html",
        found=found,
        names_of_runs=names,
        chart=draw_comparison(found, names, text.Words((page.viewer.language,))),
        metrics=[(name, values, find_best(name, values)) for name, values in rows.items()],
        **NUMBERS,
    )


@router.get("/backtests/{job_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_backtest(page: Page, job_id: AnyId) -> Response:
    """Show a backtest or a sweep."""
    return await page.share(partial(_show, job_id=job_id))


async def _show(page: OpenPage, *, job_id: str) -> Response:
    row, files = JobRow(await ask_job(page, "backtest", job_id)), f"{API}/results/{job_id}"
    if row.job.task not in _TASKS:
        return page.go_to(row.own_page or row.path)
    summary, content, surface = await _ask_results(page, files, row) if row.is_final else (None, None, None)
    request = row.job.request or {}
    tested = _tested(content)
    companies = await _ask_names(page, content)
    return await page.show(
        "backtests/one.html",
        row=row,
        request=request,
        summary=summary,
        content=content,
        months=_month_ends(content.curves) if content else [],
        charts=_draw(content, page.viewer.language) if content else None,
        surface=build_surface(surface),
        costs=_costs_of(request, page.viewer.language),
        files=files,
        metrics=METRICS,
        not_of_benchmark=_OTHER,
        companies=companies,
        symbol_name=companies.get(tested[0]) if len(tested) == 1 else None,
        **NUMBERS,
    )


async def _ask_results(
    page: OpenPage, path: str, row: JobRow
) -> tuple[RunResult | FoundBySweep | None, ReportContent | None, Mapping[str, Any] | None]:
    """Return the summary, the report and the surface of a job that has ended; None for one that it does not have."""
    report = page.api.get(ReportContent, f"{path}/report.json")
    if row.job.task != "backtest.sweep":
        run, content = await asyncio.gather(page.api.get(RunResult, path), report)
        return run.view, content.view, None
    sweep, content, surface = await asyncio.gather(
        page.api.get(FoundBySweep, path), report, page.api.get(dict, f"{path}/surface.json")
    )
    return sweep.view, content.view, surface.view


def _draw(content: ReportContent, language: Language) -> Mapping[str, str]:
    """Return the charts of a report as markup."""
    curves, summary, words = content.curves, content.summary, text.Words((language,))
    name = label("strategy_name", summary.strategy, language)
    exposure, volatility = (
        [_percent(value) for value in values] for values in (curves.exposure, curves.rolling_volatility)
    )
    shown = f"{words.tell('Exposure')} {text.percent(summary.metrics['exposure'])}"
    return {
        "equity": draw_equity(content, name, words),
        "candles": draw_candlesticks(content.candles, words) if content.candles else "",
        "exposure": draw_curve(curves.days, exposure, shown, with_zero=True),
        "sharpe": draw_curve(curves.days, curves.rolling_sharpe, words.tell("Rolling Sharpe ratio")),
        "volatility": draw_curve(curves.days, volatility, words.tell("Rolling volatility")),
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _month_ends(curves: ReportCurves) -> list[Mapping[str, Any]]:
    """Return the last session of each month, newest first, for the table beside the drawing."""
    days = curves.days
    last = [n for n in range(len(days)) if n + 1 == len(days) or days[n].month != days[n + 1].month]
    names = ("equity", "benchmark", "drawdown", "exposure")
    return [{"day": days[n]} | {name: getattr(curves, name)[n] for name in names} for n in reversed(last)]


def _costs_of(request: Mapping[str, Any], language: Language) -> str:
    try:
        return describe_costs(request)[language == "ja"]
    except InvalidRequest:
        # A later release wrote it.
        return ""


def _tested(content: ReportContent | None) -> Sequence[str]:
    """Return the symbols that were asked for by code."""
    return content.summary.request.get("symbols") or [] if content else []


async def _ask_names(page: OpenPage, content: ReportContent | None) -> dict[str, CompanyName]:
    """Return the names of the companies in a report: of the one that was tested, or of those in orders and trades."""
    tested = _tested(content)
    if content is None or len(tested) == 1:
        return await ask_names_of(page, tested)
    listed = [each.symbol for each in content.summary.next_orders] + [each.symbol for each in content.trades]
    return await ask_names_of(page, listed)


#: A surface with more cells is only drawn on the canvas.
_MOST_CELLS = 400


@dataclass(frozen=True, slots=True)
class SurfaceTable:
    """The first surface of a sweep as rows, the highest value of the second parameter first.

    Attributes:
        x, y: the names of the parameters; `y` is "" if there is only one.
        x_values: the values of `x`, one for each column.
        rows: for each row the value of `y`, and the cells; None for a cell without a trial.
        names: all pairs of parameters that have a surface.
        left_out: the pairs whose surface is too large.

    """

    x: str
    y: str
    x_values: Sequence[Any]
    rows: Sequence[tuple[Any, Sequence[Any]]]
    names: Sequence[tuple[str, str]]
    left_out: Sequence[Sequence[str]]


def build_surface(found: Mapping[str, Any] | None) -> SurfaceTable | None:
    """Return the surface of a sweep of the API; None if it has no surface."""
    if not found or not (found["surfaces"] or found["left_out"]):
        return None
    names = [(each["x"], each["y"] or "") for each in found["surfaces"]]
    if not names:
        return SurfaceTable("", "", (), (), (), found["left_out"])
    first = found["surfaces"][0]
    size, cells = len(first["x_values"]), first["cells"]
    heads = first["y_values"] or [""]
    rows = [(head, cells[n * size : (n + 1) * size]) for n, head in enumerate(heads)]
    shown = rows[::-1] if len(cells) <= _MOST_CELLS else []
    return SurfaceTable(*names[0], first["x_values"], shown, names, found["left_out"])
