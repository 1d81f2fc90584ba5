"""The growth of a portfolio beside its benchmark as SVG for pages: 100 at the start, with dates below."""

from collections.abc import Sequence
from datetime import date
from html import escape

from kaboom.backtest.report.charts import (
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
from kaboom.backtest.report.text import Words, signed_percent
from kaboom.text.catalogue import Language

_HEIGHT, _ROOM, _NAMES_WIDTH, _NAME_PX = 230, Room(14, 200), 176, 34


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
    body = draw_grid(plot) + draw_paths(_HEIGHT, begun, *reversed(paths))
    body += "".join(draw_text("halo", 0, tick.y - 4, tick.label) for tick in plot.ticks)
    body += "".join(draw_text("", f"{mark.x:g}%", _HEIGHT - 6, mark.label, mark.anchor) for mark in build_times(days))
    gains = [signed_percent(next((each - 1 for each in reversed(line) if each is not None), None)) for _, line in lines]
    texts = list[str]()
    for n, y in enumerate(spread([curve.end_y for curve in curves], _NAME_PX)):
        if y is not None:
            kind = "lab" if n else "a"
            texts += [draw_text(kind, 8, y, escape(lines[n][0])), draw_text(kind, 8, y + 14, gains[n])]
    if curves[0].end_y is not None:
        # A phone has no room for names.
        body += draw_text("a halo only-phone", "100%", max(12.0, curves[0].end_y - 8), gains[0], "end")
    told = ", ".join(f"{name} {gain}" for (name, _), gain in zip(lines, gains, strict=True))
    label = Words((language,)).tell(
        "From {first} to {last}, 100 at the start: {lines}", first=days[0], last=days[-1], lines=told
    )
    return draw_figure("chart ends", _HEIGHT, body, label, draw_side("names", _NAMES_WIDTH, _HEIGHT, texts))
