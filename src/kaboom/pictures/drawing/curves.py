"""Lines over time."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from kaboom.pictures.drawing.fonts import Speaker
from kaboom.pictures.drawing.style import LINES
from kaboom.pictures.model import Curves, Series

_TICKS = 8


def draw_curves(axes: Axes, panel: Curves, speaker: Speaker) -> None:
    """Draw the lines of a panel, with a legend if there are several."""
    size = len(panel.times)
    for line in panel.lines[::-1]:
        draw_line(axes, line, speaker)
    if panel.is_area and panel.lines:
        values = np.array(panel.lines[0].values, dtype=np.float64)
        axes.fill_between(np.arange(size), values, 0.0, color=LINES[0][0], alpha=0.14, linewidth=0)
    finish(axes, panel.times, has_names=len(panel.lines) > 1)


def draw_line(axes: Axes, line: Series, speaker: Speaker) -> None:
    """Draw one line."""
    colour, width, dashes = LINES[line.style]
    values = np.array(line.values, dtype=np.float64)
    name = speaker.say(line.name)
    axes.plot(np.arange(values.size), values, color=colour, linewidth=width, linestyle=dashes, label=name)


def finish(axes: Axes, times: tuple[str, ...], *, has_names: bool) -> None:
    """Draw the times below, the values at the left, and the legend."""
    size = len(times)
    axes.set_xlim(-0.6, max(size - 0.4, 0.6))
    places = sorted({round(place) for place in np.linspace(0, size - 1, min(_TICKS, size))})
    axes.set_xticks(places, [times[place] for place in places], fontsize=8.5)
    labels = axes.get_xticklabels()
    if len(labels) > 1:
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
    axes.tick_params(axis="y", labelsize=8.5)
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    if has_names:
        axes.legend(loc="upper left", frameon=False, fontsize=8.5, ncols=4, borderaxespad=0.2, handlelength=1.6)


def _number(value: float, _place: int | None) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.4g}M".replace("-", "\N{MINUS SIGN}")
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.4g}"
    return text.replace("-", "\N{MINUS SIGN}")
