"""The candles of a report with its trades, as paths of an SVG whose width is stretched; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kaboom.backtest.page.plots import WIDTH, Plot, Room, Tick, build_plot
from kaboom.market.calendar import JST

HEIGHT, _TOP, _BOTTOM = 300, 34, 262
_BODY = 0.66
#: Trades with a number are at least this far apart, in percent.
_LEAST_GAP = 4.5


@dataclass(frozen=True, slots=True)
class Mark:
    """A text above or below a bar: its place in percent, and its pixels from the top."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class CandlestickPlot:
    """The candles and trades of a report.

    Attributes:
        rises, falls: bodies and wicks of bars that rose and that fell.
        gains, losses: dashed lines from entry to exit.
        marks: purchases and sales.
        numbers: the gains of trades.
        times: the beginnings of months.
        ticks: the prices of the grid.

    """

    rises: str
    falls: str
    gains: str
    losses: str
    marks: Sequence[Mark]
    numbers: Sequence[Mark]
    times: Sequence[Mark]
    ticks: Sequence[Tick]
    count: int


@dataclass(frozen=True, slots=True)
class _Grid:
    plot: Plot
    low: float
    high: float
    step: float

    def x(self, place: float) -> float:
        return round((place + 0.5) * self.step, 1)

    def percent(self, place: float) -> float:
        return round(100 * self.x(place) / WIDTH, 2)

    def y(self, price: float) -> float:
        return round(_TOP + (self.high - price) / (self.high - self.low) * (_BOTTOM - _TOP), 1)


def build_candlesticks(traded: Mapping[str, Any] | None) -> CandlestickPlot | None:
    """Return the candles of a report of the API; None if nothing was traded."""
    if traded is None:
        return None
    bars: Sequence[Sequence[float] | None] = traded["bars"]
    known = [bar for bar in bars if bar is not None]
    plot = build_plot([[min(bar[2] for bar in known), max(bar[1] for bar in known)]], Room(_TOP, _BOTTOM))
    if plot is None:
        return None
    low, high = min(bar[2] for bar in known), max(bar[1] for bar in known)
    grid = _Grid(plot, low if low < high else low - 1, high if low < high else high + 1, WIDTH / len(bars))
    return CandlestickPlot(
        rises=_bodies(bars, grid, is_rise=True),
        falls=_bodies(bars, grid, is_rise=False),
        gains=_links(traded["trades"], bars, grid, is_gain=True),
        losses=_links(traded["trades"], bars, grid, is_gain=False),
        marks=_marks(traded["fills"], bars, grid),
        numbers=_numbers(traded["trades"], bars, grid),
        times=_times(traded["times"], grid),
        ticks=plot.ticks,
        count=len(known),
    )


def _bodies(bars: Sequence[Sequence[float] | None], grid: _Grid, *, is_rise: bool) -> str:
    half, parts = grid.step * _BODY / 2, list[str]()
    for place, bar in enumerate(bars):
        if bar is None or (bar[3] >= bar[0]) is not is_rise:
            continue
        opening, high, low, close = bar
        x, top, bottom = grid.x(place), grid.y(max(opening, close)), grid.y(min(opening, close))
        tall = max(1.0, round(bottom - top, 1))
        wicks = f"M{x:g} {grid.y(high):g}V{top:g}M{x:g} {top + tall:g}V{max(top + tall, grid.y(low)):g}"
        parts.append(f"{wicks}M{x - half:g} {top:g}h{2 * half:g}v{tall:g}h{-2 * half:g}z")
    return "".join(parts)


def _links(trades: Sequence[Mapping[str, Any]], bars: Sequence[Any], grid: _Grid, *, is_gain: bool) -> str:
    parts = []
    for trade in trades:
        # The line of an open position ends at the last close.
        price = trade["exit_price"] if trade["exit_price"] is not None else next(bar[3] for bar in bars[::-1] if bar)
        if trade["entry"] is None or ((trade["gain"] or 0) > 0) is not is_gain:
            continue
        end = trade["exit"] if trade["exit"] is not None else len(bars) - 1
        begin = f"M{grid.x(trade['entry']):g} {grid.y(trade['entry_price']):g}"
        parts.append(f"{begin}L{grid.x(end):g} {grid.y(price):g}")
    return "".join(parts)


def _marks(fills: Sequence[Sequence[int]], bars: Sequence[Sequence[float] | None], grid: _Grid) -> list[Mark]:
    marks = []
    for place, side in fills:
        bar = bars[place]
        if bar is not None:
            y = grid.y(bar[2]) + 13 if side > 0 else grid.y(bar[1]) - 5
            marks.append(Mark(grid.percent(place), y, "▲" if side > 0 else "▼"))
    return marks


def _numbers(trades: Sequence[Mapping[str, Any]], bars: Sequence[Sequence[float] | None], grid: _Grid) -> list[Mark]:
    numbers, before = list[Mark](), -100.0
    for trade in sorted(trades, key=lambda each: each["exit"] if each["exit"] is not None else len(bars)):
        place = trade["exit"] if trade["exit"] is not None else len(bars) - 1
        bar, x = bars[place], max(2.5, min(grid.percent(place), 97.5))
        if trade["gain"] is None or bar is None or x - before < _LEAST_GAP:
            continue
        before, gain = x, trade["gain"]
        text = f"{100 * gain:+.1f}%".replace("-", "\N{MINUS SIGN}")
        numbers.append(Mark(x, max(12.0, grid.y(bar[1]) - 18), text, "upt" if gain > 0 else "dnt" if gain < 0 else ""))
    return numbers


def _times(times: Sequence[str], grid: _Grid) -> list[Mark]:
    local = [datetime.fromisoformat(at).astimezone(JST) for at in times]
    is_daily = len({at.date() for at in local}) > len(local) / 2
    marks, before = list[Mark](), -100.0
    for place in range(len(local)):
        now, last = local[place], local[place - 1] if place else None
        is_new = last is None or (now.month != last.month if is_daily else now.date() != last.date())
        x = grid.percent(place)
        if is_new and x - before >= 7 and x < 95 and (place or not is_daily or now.day < 20):
            marks.append(Mark(x, HEIGHT - 8.0, now.strftime("%Y-%m" if is_daily else "%m-%d")))
            before = x
    return marks
