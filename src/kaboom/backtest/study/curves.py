"""The curves and trades of a run as tables, and its benchmark."""

import numpy as np
import polars as pl

from kaboom.backtest.engine.arrays import Floats, carry_forward
from kaboom.backtest.panel import Panel
from kaboom.backtest.result import Result
from kaboom.backtest.study.bars import StudyBars
from kaboom.bars.export.encode import encode_table
from kaboom.bars.export.formats import Format


def benchmark_of(bars: StudyBars, start: float) -> Floats:
    """Return the value of the starting cash invested in the benchmark, in yen at each bar.

    By default each symbol has the same weight at each bar, until it is delisted. There are no costs and no lots. Prices
    are adjusted by splits, and dividends are reinvested at the close of their ex-session.
    """
    panel = bars.panel
    if bars.benchmark is not None:
        return _follow(panel, bars.benchmark, start)
    last = total_prices(panel)
    gains = np.divide(last[1:], last[:-1]) - 1.0
    # A delisted symbol has no weight; otherwise its last close would count as idle cash.
    is_listed = np.arange(1, panel.shape[0])[:, None] <= panel.issues.delisted
    known = ~np.isnan(gains) & is_listed
    count = known.sum(axis=1)
    mean = np.divide(np.where(known, gains, 0.0).sum(axis=1), count, out=np.zeros(count.size), where=count > 0)
    return np.cumprod(np.concatenate([[start], 1.0 + mean]))


def total_prices(panel: Panel) -> Floats:
    """Return last closes adjusted by splits, with dividends reinvested at the close, `[bars, symbols]`."""
    last, ex = panel.adjusted("last"), panel.ex_sessions
    paid = np.flatnonzero(ex.dividend)
    if not paid.size:
        return last
    growth = np.ones(panel.shape)
    bars, columns = ex.bar[paid], ex.symbol[paid]
    # A dividend is for each share before a split of the same session.
    growth[bars, columns] += ex.dividend[paid] * panel.scale[bars - 1, columns] / last[bars, columns]
    growth[np.isnan(growth)] = 1.0
    return np.asarray(last * np.cumprod(growth, axis=0), dtype=np.float64)


def _follow(panel: Panel, other: Panel, start: float) -> Floats:
    """Return the price of another symbol at the bars of a panel, from the first bar that both have."""
    place = np.searchsorted(other.opened_at, panel.opened_at, side="right") - 1
    price = np.where(place >= 0, total_prices(other)[np.maximum(place, 0), 0], np.nan)
    price = carry_forward(price[:, None])[:, 0]
    first = price[~np.isnan(price)][0] if not np.isnan(price).all() else np.nan
    return np.where(np.isnan(price), start, start * price / first)


def equity_table(result: Result, benchmark: Floats) -> pl.DataFrame:
    """Return the curves of a run, one row for each bar."""
    return pl.DataFrame(
        {
            "opened_at": pl.from_epoch(pl.Series(result.panel.opened_at), "s").dt.replace_time_zone("UTC"),
            "equity": result.equity,
            "cash": result.cash,
            "drawdown": result.drawdown,
            "exposure": result.exposure,
            "benchmark": benchmark,
        }
    )


def encode_csv(table: pl.DataFrame) -> bytes:
    """Return a table as CSV; times are UTC, and spreadsheets read no text as a formula."""
    return b"".join(encode_table(table, Format.CSV))
