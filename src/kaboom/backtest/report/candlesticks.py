"""The candles of a report with its trades as SVG, for the page and for the HTML file; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kaboom.backtest.report.charts import (
    WIDTH,
    Room,
    build_plot,
    draw_figure,
    draw_grid,
    draw_paths,
    draw_side,
    draw_text,
)
from kaboom.backtest.report.content import ReportCandlesticks, TradeLine
from kaboom.backtest.report.text import Words, signed_percent, way
from kaboom.market.calendar import JST

type Bars = Sequence[tuple[float, float, float, float] | None]

_HEIGHT, _ROOM = 300, Room(34, 262)
_BODY = 0.66
#: Trades with a number are at least this far apart, in percent.
_LEAST_GAP = 4.5


@dataclass(frozen=True, slots=True)
class BarGrid:
    """Where bars and prices are in a drawing: between which prices, how far apart, and in which room."""

    low: float
    high: float
    step: float
    room: Room

    @classmethod
    def of(cls, prices: Sequence[float], room: Room, count: int) -> "BarGrid":
        """Return the grid of `count` bars whose prices are `prices`."""
        low, high = min(prices), max(prices)
        return cls(low if low < high else low - 1, high if low < high else high + 1, WIDTH / count, room)

    def x(self, place: float) -> float:
        """Return the middle of the bar at a place, of `WIDTH`."""
        return round((place + 0.5) * self.step, 1)

    def share(self, place: float) -> float:
        """Return the same in percent."""
        return round(100 * self.x(place) / WIDTH, 2)

    def percent(self, place: float) -> str:
        """Return the same as text."""
        return f"{self.share(place):g}%"

    def y(self, price: float) -> float:
        """Return the pixels of a price from the top."""
        room = self.room
        return round(room.top + (self.high - price) / (self.high - self.low) * (room.bottom - room.top), 1)


def draw_candlesticks(traded: ReportCandlesticks, words: Words) -> str:
    """Return bars with purchases, sales, and a dashed line from each entry to its exit; "" without a whole bar."""
    bars = traded.bars
    prices = [price for bar in bars if bar is not None for price in bar]
    plot = build_plot([prices], _ROOM)
    if plot is None:
        return ""
    grid = BarGrid.of(prices, _ROOM, len(bars))
    marks = _marks(traded.fills, bars, grid)
    paths = draw_paths(
        _HEIGHT,
        f'<path class="up-s" d="{draw_bodies(bars, grid, is_rise=True)}"/>',
        f'<path class="dn-s" d="{draw_bodies(bars, grid, is_rise=False)}"/>',
        f'<path class="link-up" d="{_links(traded.trades, bars, grid, is_gain=True)}"/>',
        f'<path class="link-dn" d="{_links(traded.trades, bars, grid, is_gain=False)}"/>',
    )
    body = "".join((draw_grid(plot), paths, *marks, *_gains(traded.trades, bars, grid), *_times(traded.times, grid)))
    label = words.tell("Candles of {symbol} with {n} purchases and sales", symbol=traded.symbol, n=len(marks))
    labels = [draw_text("", 8, tick.y + 4, tick.label) for tick in plot.ticks]
    return draw_figure("chart with-prices", _HEIGHT, body, label, draw_side("prices", 56, _HEIGHT, labels))


def draw_bodies(bars: Bars, grid: BarGrid, *, is_rise: bool) -> str:
    """Return the path of the bars that rise, or of those that fall."""
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


def _links(trades: Sequence[TradeLine], bars: Bars, grid: BarGrid, *, is_gain: bool) -> str:
    parts = []
    for trade in trades:
        if trade.entry is None or ((trade.gain or 0) > 0) is not is_gain:
            continue
        # The line of an open position ends at the last close.
        price = trade.exit_price if trade.exit_price is not None else next(bar[3] for bar in bars[::-1] if bar)
        end = trade.exit if trade.exit is not None else len(bars) - 1
        begin = f"M{grid.x(trade.entry):g} {grid.y(trade.entry_price):g}"
        parts.append(f"{begin}L{grid.x(end):g} {grid.y(price):g}")
    return "".join(parts)


def _marks(fills: Sequence[tuple[int, int]], bars: Bars, grid: BarGrid) -> list[str]:
    marks = []
    for place, side in fills:
        bar = bars[place]
        if bar is not None:
            y = grid.y(bar[2]) + 13 if side > 0 else grid.y(bar[1]) - 5
            marks.append(draw_text("inb", grid.percent(place), y, "▲" if side > 0 else "▼", "middle"))
    return marks


def _gains(trades: Sequence[TradeLine], bars: Bars, grid: BarGrid) -> list[str]:
    """Return the gains of trades above the bars of their exits, as far as there is room."""
    shown, before = list[str](), -100.0
    for trade in sorted(trades, key=lambda each: each.exit if each.exit is not None else len(bars)):
        place = trade.exit if trade.exit is not None else len(bars) - 1
        bar, x = bars[place], max(2.5, min(grid.share(place), 97.5))
        if trade.gain is None or bar is None or x - before < _LEAST_GAP:
            continue
        before = x
        kind = {"up": "upt", "down": "dnt"}.get(way(trade.gain), "")
        y = max(12.0, grid.y(bar[1]) - 18)
        shown.append(draw_text(f"{kind} halo".strip(), f"{x:g}%", y, signed_percent(trade.gain), "middle"))
    return shown


def _times(times: Sequence[str], grid: BarGrid) -> list[str]:
    """Return the beginnings of months, or of days if there are several bars a day."""
    local = [datetime.fromisoformat(at).astimezone(JST) for at in times]
    is_daily = len({at.date() for at in local}) > len(local) / 2
    marks, before = list[str](), -100.0
    for place in range(len(local)):
        now, last = local[place], local[place - 1] if place else None
        is_new = last is None or (now.month != last.month if is_daily else now.date() != last.date())
        x = grid.share(place)
        if is_new and x - before >= 7 and x < 95 and (place or not is_daily or now.day < 20):
            marks.append(draw_text("", f"{x:g}%", _HEIGHT - 8, now.strftime("%Y-%m" if is_daily else "%m-%d")))
            before = x
    return marks
