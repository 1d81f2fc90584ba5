"""The content of a report, from a run; pure."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.engine.arrays import CLOSE, Floats
from kaboom.backtest.report.charts import monthly_returns
from kaboom.backtest.report.content import (
    Numbers,
    ReportCandlesticks,
    ReportContent,
    ReportCosts,
    ReportCurves,
    ReportTrade,
    ReportYear,
    Sides,
    TradeCounts,
    TradeLine,
)
from kaboom.backtest.report.rolling_metrics import rolling_of
from kaboom.backtest.report.tables import (
    DISCLAIMER,
    SHOWN_TRADES,
    count_trades,
    describe,
    fees_a_year,
    measure_benchmark,
)
from kaboom.backtest.report.text import tell
from kaboom.backtest.report.traded_bars import find_traded
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary
from kaboom.text.language import Pair


def build_content(summary: RunSummary, result: Result, benchmark: Floats) -> ReportContent:
    """Return the content of the report of a run, as `build_report` gets it; equal runs give equal content."""
    closes = benchmark[result.panel.session_ends]
    other = metrics.returns_of(closes, result.start)
    return ReportContent(
        summary=summary,
        benchmark_metrics=measure_benchmark(result, benchmark),
        longest_below_peak=metrics.longest_below_peak(result.returns),
        curves=_curves(result, closes, other),
        years=[
            ReportYear(year=year, months=[_round(gain, 6) for gain in months], total=round(total, 6))
            for year, months, total in monthly_returns(result.panel.days[result.panel.session_ends], result.returns)
        ],
        candles=_candlesticks(result),
        counts=TradeCounts(**count_trades(result.trades)),
        trades=_trades(result),
        costs=ReportCosts(
            fees=result.fees,
            fees_a_year=fees_a_year(result),
            flows=result.flows,
            turnover=summary.metrics.get("turnover"),
        ),
        conventions=[_sides(text) for text in describe(summary)],
        disclaimer=_sides(tell(DISCLAIMER)),
    )


def _curves(result: Result, closes: Floats, other: Floats) -> ReportCurves:
    ends, rolling = result.panel.session_ends, rolling_of(result.returns)
    return ReportCurves(
        days=result.panel.days[ends].astype("datetime64[D]").tolist(),
        equity=_numbers(result.equity[ends], 2),
        benchmark=_numbers(closes, 2),
        drawdown=_numbers(result.drawdown[ends], 6),
        benchmark_drawdown=_numbers(metrics.drawdowns(other), 6),
        exposure=_numbers(result.exposure[ends], 6),
        rolling_sharpe=_numbers(rolling.sharpe, 4),
        rolling_volatility=_numbers(rolling.volatility, 6),
        rolling_sessions=rolling.sessions,
    )


def _candlesticks(result: Result) -> ReportCandlesticks | None:
    traded = find_traded(result)
    if traded is None:
        return None
    first, end = traded.first, traded.end
    prices = result.panel.prices[: CLOSE + 1, first:end, traded.column].T
    bars = [None if np.isnan(row).any() else tuple(round(float(price), 4) for price in row) for row in prices]
    # At a margin call a bar may have several fills of one side.
    fills = {(int(bar) - first, 1 if shares > 0 else -1) for bar, shares in traded.fills.iter_rows()}
    mine = result.trades.filter(pl.col("symbol") == traded.symbol)
    return ReportCandlesticks(
        symbol=traded.symbol,
        times=[_instant(int(at)) for at in result.panel.opened_at[first:end]],
        bars=bars,
        fills=sorted(fill for fill in fills if fill[0] < end - first),
        trades=[line for row in mine.iter_rows(named=True) if (line := _line(row, first, end))],
    )


def _line(row: dict[str, Any], first: int, end: int) -> TradeLine | None:
    entry, left = int(row["entry_bar"]), row["exit_bar"]
    if entry >= end or (left is not None and int(left) < first):
        return None
    return TradeLine(
        entry=entry - first if entry >= first else None,
        entry_price=round(float(row["entry_price"]), 4),
        exit=int(left) - first if left is not None and int(left) < end else None,
        exit_price=_round(row["exit_price"], 4),
        side=int(row["side"]),
        gain=_round(row["gain"], 6),
    )


def _trades(result: Result) -> list[ReportTrade]:
    # The number of the session that each bar is in.
    sessions = np.cumsum(np.append(0, np.diff(result.panel.days) != 0))
    shown = result.trades.tail(SHOWN_TRADES).reverse()
    return [_trade(row, sessions) for row in shown.iter_rows(named=True)]


def _trade(row: dict[str, Any], sessions: Any) -> ReportTrade:
    left = row["exit_bar"]
    held = int(sessions[-1 if left is None else int(left)] - sessions[int(row["entry_bar"])])
    names = ("symbol", "side", "shares", "exit_reason")
    return ReportTrade(
        **{name: row[name] for name in names},
        entry_at=f"{row['entry_at']:%Y-%m-%dT%H:%M:%SZ}",
        entry_price=round(row["entry_price"], 4),
        exit_at=None if row["exit_at"] is None else f"{row['exit_at']:%Y-%m-%dT%H:%M:%SZ}",
        exit_price=_round(row["exit_price"], 4),
        sessions=held,
        fees=round(row["fees"], 2),
        pnl=_round(row["pnl"], 2),
        gain=_round(row["gain"], 6),
    )


def _numbers(values: Iterable[float], digits: int) -> Numbers:
    return [_round(value, digits) for value in values]


def _round(value: float | None, digits: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def _instant(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _sides(text: Pair) -> Sides:
    return Sides(en=text[0], ja=text[1])
