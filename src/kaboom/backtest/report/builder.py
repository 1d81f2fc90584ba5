"""The content of a report, from a run; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.engine.arrays import CLOSE, LAST, Floats, Ints
from kaboom.backtest.journal import FLOWS
from kaboom.backtest.metrics import SESSIONS
from kaboom.backtest.report.content import (
    Numbers,
    ReportCandlesticks,
    ReportContent,
    ReportCosts,
    ReportCurves,
    ReportSector,
    ReportTrade,
    ReportYear,
    Sides,
    TradeCounts,
    TradeLine,
)
from kaboom.backtest.report.conventions import DISCLAIMER, describe
from kaboom.backtest.report.text import tell
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary, finite
from kaboom.market.indices import sector_of
from kaboom.text.catalogue import Pair

#: How many of the last trades a report has, and how many bars of the symbol that was traded most.
_TRADES, _BARS = 50, 160
#: Rolling metrics are those of so many sessions at most.
_MOST_SESSIONS = 122


def build_content(
    summary: RunSummary, result: Result, benchmark: Floats, sectors: Mapping[str, str] | None = None
) -> ReportContent:
    """Return the content of the report of a run, with `benchmark` in yen at each bar; equal runs give equal content.

    `sectors` has the Japanese names of the sectors of symbols.
    """
    closes = benchmark[result.panel.session_ends]
    other = metrics.returns_of(closes, result.start)
    return ReportContent(
        summary=summary,
        benchmark_metrics=_measure_benchmark(result, closes),
        longest_below_peak=metrics.longest_below_peak(result.returns),
        curves=_curves(result, closes, other),
        years=[
            ReportYear(year=year, months=[_round(gain, 6) for gain in months], total=round(total, 6))
            for year, months, total in monthly_returns(result.panel.days[result.panel.session_ends], result.returns)
        ],
        candles=_candlesticks(result),
        counts=TradeCounts(**_count_trades(result.trades)),
        trades=_trades(result),
        costs=ReportCosts(
            fees=result.fees,
            fees_a_year=_fees_a_year(result),
            flows=result.flows,
            taxes=result.taxes,
            turnover=summary.metrics.get("turnover"),
        ),
        sectors=_sectors(result, sectors or {}),
        conventions=[_sides(text) for text in describe(summary)],
        disclaimer=_sides(tell(DISCLAIMER)),
    )


def _sectors(result: Result, sectors: Mapping[str, str]) -> list[ReportSector]:
    """Return the exposure to each sector that was held; symbols without one, such as funds, are together."""
    held = np.abs(result.positions)
    columns: dict[str, list[int]] = {}
    for column in np.flatnonzero(held.any(axis=0)).tolist():
        columns.setdefault(sector_of(sectors.get(result.panel.symbols[column], "")).ja, []).append(column)
    found = []
    for name, chosen in columns.items():
        value = (held[:, chosen] * np.where(held[:, chosen] == 0, 0.0, result.panel.prices[LAST][:, chosen])).sum(
            axis=1
        )
        share = np.divide(value, result.equity, out=np.zeros(value.size), where=result.equity > 0)
        sides = Sides(en=sector_of(name).en, ja=name) if name else _sides(tell("without a sector"))
        mean, most = round(float(share.mean()), 6), round(float(share.max()), 6)
        found.append(ReportSector(name=sides, symbols=len(chosen), mean=mean, most=most))
    return sorted(found, key=lambda each: (-each.mean, each.name.en))


def _curves(result: Result, closes: Floats, other: Floats) -> ReportCurves:
    ends, rolling = result.panel.session_ends, _roll(result.returns)
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
    traded = _find_traded(result)
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
    shown = result.trades.tail(_TRADES).reverse()
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


def _measure_benchmark(result: Result, closes: Floats) -> dict[str, float | None]:
    """Return the metrics of the benchmark, in yen at each session, as those of a run; None where one is not finite."""
    returns = metrics.returns_of(closes, result.start)
    longest = float(metrics.longest_below_peak(returns))
    total = float(closes[-1]) / result.start - 1
    return finite({"total_return": total, **metrics.measure(returns), "longest_below_peak": longest})


@dataclass(frozen=True, slots=True)
class _Rolling:
    """The Sharpe ratio and the volatility of the last `sessions`, a year; NaN before there are so many."""

    sessions: int
    sharpe: Floats
    volatility: Floats


def _roll(returns: Floats) -> _Rolling:
    """Return the metrics of the last half year, of less than two years a quarter of it."""
    sessions = min(_MOST_SESSIONS, max(returns.size // 4, 2))
    none = np.full(returns.size, np.nan)
    if returns.size <= sessions:
        return _Rolling(sessions, none, none)
    seen = np.lib.stride_tricks.sliding_window_view(returns, sessions)
    mean, deviation = seen.mean(axis=1), seen.std(axis=1, ddof=1)
    # A constant curve has no ratio, even if rounding gives it a small deviation.
    ratio = np.divide(mean, deviation, out=np.full(mean.size, np.nan), where=deviation > 1e-12) * np.sqrt(SESSIONS)
    before = none[: sessions - 1]
    return _Rolling(sessions, np.append(before, ratio), np.append(before, deviation * np.sqrt(SESSIONS)))


def monthly_returns(days: Ints, returns: Floats) -> list[tuple[int, list[float | None], float]]:
    """Return each year, newest first, with the returns of its twelve months and of all of it, as shares."""
    found: dict[int, list[float | None]] = {}
    for day, gain in zip(days.astype("datetime64[D]").tolist(), returns, strict=True):
        months = found.setdefault(day.year, [None] * 12)
        months[day.month - 1] = (1.0 + (months[day.month - 1] or 0.0)) * (1.0 + float(gain)) - 1.0
    return [(year, found[year], _whole(found[year])) for year in sorted(found, reverse=True)]


def _whole(months: list[float | None]) -> float:
    return float(np.prod([1.0 + gain for gain in months if gain is not None])) - 1.0


@dataclass(frozen=True, slots=True)
class _Traded:
    """The symbol that was traded most, its last bars, and its fills as numbers of bars with shares."""

    symbol: str
    column: int
    first: int
    end: int
    fills: pl.DataFrame


def _find_traded(result: Result) -> _Traded | None:
    """Return the symbol that was traded most with its last bars; None without a fill, or without a price in them."""
    fills = result.journal.filter(~pl.col("reason").is_in(FLOWS))
    if fills.is_empty():
        return None
    ranked = fills.group_by("symbol").len().sort(["len", "symbol"], descending=[True, False])
    symbol = str(ranked["symbol"][0])
    column = result.panel.column_of(symbol)
    last = int(fills.filter(pl.col("symbol") == symbol)["bar"].max()) + 20  # type: ignore[arg-type]
    end = min(last, result.panel.shape[0])
    first = max(0, end - _BARS)
    if np.isnan(result.panel.prices[CLOSE, first:end, column]).all():
        return None
    shown = fills.filter((pl.col("symbol") == symbol) & (pl.col("bar") >= first)).select("bar", "shares")
    return _Traded(symbol, column, first, end, shown)


def _count_trades(trades: pl.DataFrame) -> dict[str, Any]:
    """Return how many trades there are, won, lost and open, and the mean gain of those that are closed."""
    closed = trades.filter(pl.col("exit_bar").is_not_null())
    won = closed.filter(pl.col("pnl") > 0).height
    counts = {"count": trades.height, "won": won, "lost": closed.height - won, "open": trades.height - closed.height}
    return counts | {"mean_gain": closed["gain"].mean()}


def _fees_a_year(result: Result) -> float | None:
    """Return all fees as a share of the mean equity and a year."""
    mean, years = float(result.equity.mean()), max(result.returns.size, 1) / SESSIONS
    return result.fees / mean / years if mean > 0 else None


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
