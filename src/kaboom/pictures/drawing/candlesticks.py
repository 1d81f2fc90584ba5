"""Candlesticks, the volume below them, and the purchases and sales."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from kaboom.pictures.drawing.curves import draw_line, finish
from kaboom.pictures.drawing.fonts import Speaker
from kaboom.pictures.drawing.style import BACK, INK, UP_DOWN
from kaboom.pictures.model import Candlesticks, UpDown

_HALF = 0.34


def draw_candlesticks(axes: Axes, panel: Candlesticks, updown: UpDown, speaker: Speaker) -> None:
    """Draw bars: a rise is hollow, a fall is filled, so that readers need not tell colours apart."""
    prices = np.array(panel.bars, dtype=np.float64)
    opening, high, low, close = prices.T
    places, rises = np.arange(len(prices)), close >= opening
    colours = [UP_DOWN[updown][0 if rise else 1] for rise in rises]
    top, bottom = np.maximum(opening, close), np.minimum(opening, close)
    wicks = [((x, high[x]), (x, top[x])) for x in places] + [((x, bottom[x]), (x, low[x])) for x in places]
    axes.add_collection(LineCollection(wicks, colors=colours * 2, linewidths=0.9))
    fills = [BACK if rise else colour for rise, colour in zip(rises, colours, strict=True)]
    boxes = [_box(float(x), bottom[x], top[x]) for x in places]
    axes.add_collection(PolyCollection(boxes, facecolors=fills, edgecolors=colours, linewidths=0.9))
    room = (np.nanmax(high) - np.nanmin(low)) or abs(np.nanmax(high)) or 1.0
    _mark(axes, panel, low - room * 0.03, high + room * 0.03)
    for line in panel.lines:
        draw_line(axes, line, speaker)
    axes.set_ylim(np.nanmin(low) - room * 0.07, np.nanmax(high) + room * 0.1)
    finish(axes, panel.times, has_names=bool(panel.lines))


def draw_volumes(axes: Axes, panel: Candlesticks, updown: UpDown) -> None:
    """Draw the volume of each bar."""
    up, down = UP_DOWN[updown]
    colours = [up if close >= opening else down for opening, _, _, close in panel.bars]
    axes.bar(np.arange(len(panel.volumes)), panel.volumes, width=2 * _HALF, color=colours, alpha=0.45)
    axes.set_ylim(0, max(panel.volumes) * 1.08 or 1)
    axes.locator_params(axis="y", nbins=3)
    finish(axes, panel.times, has_names=False)


def _mark(axes: Axes, panel: Candlesticks, below: np.ndarray, above: np.ndarray) -> None:
    for side, shape, heights in ((1, "^", below), (-1, "v", above)):
        places = [mark.place for mark in panel.marks if mark.side == side]
        axes.scatter(places, heights[places], marker=shape, s=34, color=INK, zorder=4)


def _box(x: float, bottom: float, top: float) -> list[tuple[float, float]]:
    return [(x - _HALF, bottom), (x + _HALF, bottom), (x + _HALF, top), (x - _HALF, top)]
