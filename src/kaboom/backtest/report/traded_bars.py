"""The trades of one symbol on its candles, as inline SVG; pure."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from kaboom.backtest.engine.arrays import CLOSE, HIGH, LOW, OPEN, Floats
from kaboom.backtest.journal import FLOWS
from kaboom.backtest.report.charts import LEFT, RIGHT, WIDTH, Scale, date_axis, frame
from kaboom.backtest.report.text import say, section
from kaboom.backtest.result import Result

_BARS, _HEIGHT = 160, 300


@dataclass(frozen=True, slots=True)
class Traded:
    """The symbol that was traded most, its last bars, and its fills as numbers of bars with shares."""

    symbol: str
    column: int
    first: int
    end: int
    fills: pl.DataFrame


def find_traded(result: Result) -> Traded | None:
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
    return Traded(symbol, column, first, end, shown)


def traded_section(result: Result) -> str:
    """Return the last bars of the symbol that was traded most, with its purchases and sales; empty without a fill."""
    traded = find_traded(result)
    if traded is None:
        return ""
    first, end, symbol = traded.first, traded.end, traded.symbol
    prices = result.panel.prices[:, first:end, traded.column]
    scale = Scale.of(float(np.nanmin(prices[LOW])), float(np.nanmax(prices[HIGH])), _HEIGHT)
    step = (WIDTH - LEFT - RIGHT) / (end - first)
    xs = LEFT + step * (np.arange(end - first, dtype=np.float64) + 0.5)
    body = scale.axis() + date_axis(result.panel.days[first:end], xs, _HEIGHT)
    body += _draw_bars(prices, xs, scale, max(1.0, step * 0.6))
    body += _marks(traded, prices, xs, scale)
    title, sub = (
        say("Trades on the candles"),
        say("{symbol}, the last {bars} bars as traded; ▲ bought, ▼ sold", symbol=symbol, bars=end - first),
    )
    return section(title, frame(_HEIGHT, body, f"candles of {symbol}"), sub=sub)


def _draw_bars(prices: Floats, xs: Floats, scale: Scale, width: float) -> str:
    parts = []
    y = scale.y
    for x, opening, high, low, close in zip(xs, prices[OPEN], prices[HIGH], prices[LOW], prices[CLOSE], strict=True):
        if np.isnan(close):
            continue
        kind = "cu" if close >= opening else "cd"
        top, tall = y(max(opening, close)), max(1.0, abs(y(opening) - y(close)))
        wick = f"M{x:.1f} {y(high):.1f}V{y(low):.1f}"
        body = f"M{x - width / 2:.1f} {top:.1f}h{width:.1f}v{tall:.1f}h-{width:.1f}z"
        parts.append(f'<path class="{kind}" d="{wick}{body}"/>')
    return "".join(parts)


def _marks(traded: Traded, prices: Floats, xs: Floats, scale: Scale) -> str:
    parts = []
    for bar, shares in traded.fills.iter_rows():
        place = bar - traded.first
        if not 0 <= place < xs.size or np.isnan(prices[LOW, place]):
            continue
        x = xs[place]
        if shares > 0:
            y = scale.y(float(prices[LOW, place])) + 4
            parts.append(f'<path class="buy" d="M{x:.1f} {y:.1f}l5 9h-10z"/>')
        else:
            y = scale.y(float(prices[HIGH, place])) - 4
            parts.append(f'<path class="sell" d="M{x:.1f} {y:.1f}l5 -9h-10z"/>')
    return "".join(parts)
