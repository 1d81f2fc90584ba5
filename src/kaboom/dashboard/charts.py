"""Charts as SVG for pages, in their colours: candles with volume and indicators, and the growth of a portfolio."""

from collections.abc import Sequence
from datetime import date
from html import escape

from kaboom.backtest.report.candlesticks import BarGrid, draw_bodies
from kaboom.backtest.report.charts import (
    WIDTH,
    Room,
    Values,
    build_plot,
    build_times,
    draw_figure,
    draw_grid,
    draw_paths,
    draw_side,
    draw_text,
    spread,
)
from kaboom.backtest.report.text import Words, number, signed_percent
from kaboom.pictures.model import Candlesticks, Curves, Picture, Series
from kaboom.text.catalogue import Language

#: Pixels from the top: the candles, and the volume below them; then a panel for each indicator, with space above it.
_CANDLES, _VOLUME, _PANEL, _GAP = Room(22, 220), Room(240, 276), 60, 30
_PRICES_WIDTH = 56
#: The classes of lines by their rank.
_LINES = ("ln thin", "ln ln-2", "ln ln-2 ln-dash")
_GROWTH_HEIGHT, _ROOM, _NAMES_WIDTH, _NAME_PX = 230, Room(14, 200), 176, 34


def draw_picture(picture: Picture, language: Language) -> str:
    """Return the candles of a picture with its averages, volume and indicators; "" if it has no candles."""
    priced = next((each for each in picture.panels if isinstance(each, Candlesticks)), None)
    if priced is None or not priced.bars:
        return ""
    words, side = Words((language,)), list[str]()
    body = [_draw_bars(priced, side), _draw_volume(priced, words)]
    bottom = _VOLUME.bottom
    for panel in picture.panels:
        if isinstance(panel, Curves):
            room = Room(bottom + _GAP, bottom + _GAP + _PANEL)
            body.append(_draw_lines(panel.lines, room, side))
            bottom = room.bottom
    height = int(bottom) + 22
    days = [date.fromisoformat(at[:10]) for at in priced.times]
    body += [draw_text("", f"{mark.x:g}%", height - 4, mark.label, mark.anchor) for mark in build_times(days)]
    label = words.tell(
        "Candles of {symbol} from {first} to {last}: {n} bars, last close {close}",
        symbol=picture.title[language == "ja"], first=days[0], last=days[-1], n=len(priced.bars),
        close=number(priced.bars[-1][3], 1),
    )  # fmt: skip
    prices = draw_side("prices", _PRICES_WIDTH, height, side)
    return draw_figure("chart with-prices", height, "".join(body), label, prices)


def _draw_bars(panel: Candlesticks, side: list[str]) -> str:
    known = [value for line in panel.lines for value in line.values if value is not None]
    prices = [*(price for bar in panel.bars for price in bar), *known]
    plot = build_plot([prices], _CANDLES)
    if plot is None:
        return ""
    side += [draw_text("", 8, tick.y + 4, tick.label) for tick in plot.ticks]
    grid = BarGrid.of(prices, _CANDLES, len(panel.bars))
    paths = draw_paths(
        int(_CANDLES.bottom),
        f'<path class="up-s" d="{draw_bodies(panel.bars, grid, is_rise=True)}"/>',
        f'<path class="dn-s" d="{draw_bodies(panel.bars, grid, is_rise=False)}"/>',
        *(_path(line, grid) for line in panel.lines),
    )
    return draw_grid(plot) + paths + _names(panel.lines, 10)


def _draw_volume(panel: Candlesticks, words: Words) -> str:
    most = max(panel.volumes, default=0)
    if not most:
        return ""
    step, parts = WIDTH / len(panel.volumes), list[str]()
    for place, volume in enumerate(panel.volumes):
        tall = round(volume / most * (_VOLUME.bottom - _VOLUME.top), 1)
        parts.append(f"M{(place + 0.17) * step:.1f} {_VOLUME.bottom:g}v{-tall:g}h{0.66 * step:.1f}v{tall:g}z")
    drawn = draw_paths(int(_VOLUME.bottom), f'<path class="vol" d="{"".join(parts)}"/>')
    return drawn + draw_text("halo", 0, _VOLUME.top - 4, words.say("Volume, at most {n} shares", n=number(most)))


def _draw_lines(lines: Sequence[Series], room: Room, side: list[str]) -> str:
    known = [value for line in lines for value in line.values if value is not None]
    plot = build_plot([known], room)
    if plot is None:
        return ""
    side += [draw_text("", 8, tick.y + 4, tick.label) for tick in plot.ticks]
    grid = BarGrid.of(known, room, len(lines[0].values))
    paths = draw_paths(int(room.bottom), *(_path(line, grid) for line in lines))
    return draw_grid(plot) + paths + _names(lines, room.top - 8)


def _path(line: Series, grid: BarGrid) -> str:
    parts, has_gap = list[str](), True
    for place, value in enumerate(line.values):
        if value is not None:
            parts.append(f"{'M' if has_gap else 'L'}{grid.x(place):g} {grid.y(value):g}")
        has_gap = value is None
    return f'<path class="{_class_of(line)}" d="{"".join(parts)}"/>' if parts else ""


def _class_of(line: Series) -> str:
    return _LINES[min(line.style, len(_LINES) - 1)]


def _names(lines: Sequence[Series], y: float) -> str:
    """Return the names of lines with their last values, each in the place of its rank."""
    shown = []
    for place, line in enumerate(lines):
        last = next((value for value in reversed(line.values) if value is not None), None)
        x = 150 * place
        key = f'<line class="{_class_of(line)}" x1="{x}" x2="{x + 14}" y1="{y - 4:g}" y2="{y - 4:g}"/>'
        shown.append(key + draw_text("lab halo", x + 20, y, escape(f"{line.name[0]} {number(last, 1)}")))
    return "".join(shown)


def draw_growth(days: Sequence[date], lines: Sequence[tuple[str, Values]], language: Language) -> str:
    """Return named lines, each with what 1 has become on each day, and a line at their start; "" of less than two days.

    The first line stands out.
    """
    if len(days) < 2:
        return ""
    values: list[Values] = [[None if each is None else 100 * each for each in line] for _, line in lines]
    plot = build_plot([*values, [100.0] * len(days)], _ROOM)
    if plot is None:
        return ""
    *curves, start = plot.curves
    kinds = ["ln", *["ln ln-2"] * (len(curves) - 1)]
    paths = [
        f'<path class="{kind}" d="{curve.path}"/>' for kind, curve in zip(kinds, curves, strict=True) if curve.path
    ]
    begun = f'<path class="ln ln-2 ln-dash" d="{start.path}"/>'
    body = draw_grid(plot) + draw_paths(_GROWTH_HEIGHT, begun, *reversed(paths))
    body += "".join(draw_text("halo", 0, tick.y - 4, tick.label) for tick in plot.ticks)
    body += "".join(
        draw_text("", f"{mark.x:g}%", _GROWTH_HEIGHT - 6, mark.label, mark.anchor) for mark in build_times(days)
    )
    gains = [signed_percent(next((each - 1 for each in reversed(line) if each is not None), None)) for _, line in lines]
    texts = list[str]()
    for n, y in enumerate(spread([curve.end_y for curve in curves], _NAME_PX)):
        if y is not None:
            kind = "lab" if n else "a"
            texts += [draw_text(kind, 8, y, escape(lines[n][0])), draw_text(kind, 8, y + 14, gains[n])]
    if curves[0].end_y is not None:
        # A phone has no room for names.
        body += draw_text("a halo only-phone", "100%", max(12.0, curves[0].end_y - 8), gains[0], "end")
    ends = ", ".join(f"{name} {gain}" for (name, _), gain in zip(lines, gains, strict=True))
    label = Words((language,)).tell(
        "From {first} to {last}, 100 at the start: {lines}", first=days[0], last=days[-1], lines=ends
    )
    return draw_figure(
        "chart ends", _GROWTH_HEIGHT, body, label, draw_side("names", _NAMES_WIDTH, _GROWTH_HEIGHT, texts)
    )
