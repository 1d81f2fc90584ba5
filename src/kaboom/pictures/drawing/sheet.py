"""A sheet of panels, one below the other, as PNG bytes."""

import io
import threading

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from kaboom.pictures.drawing import curves
from kaboom.pictures.drawing.curves import draw_line, finish
from kaboom.pictures.drawing.fonts import Speaker, families
from kaboom.pictures.drawing.style import BACK, DPI, INK, INK_2, INK_3, LINE, UP_DOWN, WIDTH, settings
from kaboom.pictures.model import Candlesticks, Curves, Heat, Language, Notes, Panel, Picture, Table, UpDown

#: matplotlib's settings are global, so one picture is drawn at a time.
_ONE = threading.Lock()
_TOP, _GAP, _BOTTOM, _LEFT, _RIGHT = 0.75, 0.62, 0.4, 0.85, 0.35
_VOLUME = 1.1
_COLOURS = 64
_HALF = 0.34
#: Shares from which a cell has the next stronger tint, and how strong it is.
_TINTS = ((0.0, 0.1), (0.015, 0.22), (0.035, 0.36))


def draw_sheet(picture: Picture, language: Language) -> bytes:
    """Return a picture as PNG."""
    speaker = Speaker(language)
    with _ONE, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings(families(speaker.language)))
        figure = _lay_out(picture, speaker)
        content = io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(content, format="png", dpi=DPI)
        figure.clear()
    return _pack(content)


def _pack(content: io.BytesIO) -> bytes:
    """Return a PNG with few colours and without matplotlib's version: a third of the bytes, so models cost less."""
    packed = io.BytesIO()
    with Image.open(content) as image:
        image.convert("RGB").quantize(_COLOURS).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _lay_out(picture: Picture, speaker: Speaker) -> Figure:
    heights = [height_of(panel) for panel in picture.panels]
    tall = _TOP + sum(heights) + _GAP * len(heights) + _BOTTOM - _GAP / 2
    figure = Figure(figsize=(WIDTH, tall), dpi=DPI, facecolor=BACK)
    left = _LEFT / WIDTH
    figure.text(left, 1 - 0.34 / tall, speaker.say(picture.title), fontsize=15, fontweight="bold", va="center")
    figure.text(left, 1 - 0.62 / tall, speaker.say(picture.sub), fontsize=9.5, color=INK_3, va="center")
    y = tall - _TOP
    for panel, height in zip(picture.panels, heights, strict=True):
        y -= _GAP * 0.55
        if any(panel.title):
            figure.text(left, (y + 0.12) / tall, speaker.say(panel.title), fontsize=11, fontweight="bold")
        y -= height
        _draw(figure, panel, (y / tall, height / tall), picture, speaker)
        y -= _GAP * 0.45
    return figure


def _draw(figure: Figure, panel: Panel, place: tuple[float, float], picture: Picture, speaker: Speaker) -> None:
    bottom, height = place
    if isinstance(panel, Candlesticks) and panel.volumes:
        share = _VOLUME / height_of(panel)
        upper = _axes(figure, bottom + height * share, height * (1 - share))
        draw_candlesticks(upper, panel, picture.updown, speaker)
        draw_volumes(_axes(figure, bottom, height * share * 0.86), panel, picture.updown)
        upper.set_xticklabels([])
        return
    axes = _axes(figure, bottom, height)
    match panel:
        case Candlesticks():
            draw_candlesticks(axes, panel, picture.updown, speaker)
        case Curves():
            curves.draw_curves(axes, panel, speaker)
        case Heat():
            draw_heat(axes, panel, picture.updown, speaker)
        case Table():
            draw_table(axes, panel, speaker)
        case Notes():
            draw_notes(axes, panel, speaker)


def height_of(panel: Panel) -> float:
    """Return the height of a panel in inches."""
    match panel:
        case Candlesticks():
            return panel.height + (_VOLUME if panel.volumes else 0.0)
        case Curves():
            return panel.height
        case Notes():
            return 0.24 * len(panel.lines) + 0.1
        case _:
            return 0.27 * (len(panel.rows) + 1)


def _axes(figure: Figure, bottom: float, height: float) -> Axes:
    axes: Axes = figure.add_axes((_LEFT / WIDTH, bottom, (WIDTH - _LEFT - _RIGHT) / WIDTH, height))
    axes.set_facecolor(BACK)
    return axes


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


def draw_heat(axes: Axes, panel: Heat, updown: UpDown, speaker: Speaker) -> None:
    """Draw shares in percent on their tints, a row for each name."""
    columns, rows = len(panel.columns), len(panel.rows)
    _prepare(axes, columns + 1, rows + 1)
    for place, text in enumerate(panel.columns):
        axes.text(place + 1.94, 0.5, speaker.say(text), ha="right", va="center", fontsize=9, color=INK_3)
    for row, (name, values) in enumerate(panel.rows, start=1):
        axes.text(0.02, row + 0.5, name, va="center", fontsize=9)
        for place, value in enumerate(values[:columns]):
            if value is None:
                continue
            axes.add_patch(Rectangle((place + 1.01, row + 0.03), 0.98, 0.94, color=_tint(value, updown), linewidth=0))
            shown = "0.0" if abs(value) < 0.0005 else f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")
            axes.text(place + 1.94, row + 0.5, shown, ha="right", va="center", fontsize=9)


def draw_table(axes: Axes, panel: Table, speaker: Speaker) -> None:
    """Draw rows of words and numbers, with a line below each."""
    columns, rows = len(panel.head), len(panel.rows)
    _prepare(axes, columns, rows + 1)
    for row, cells in enumerate((panel.head, *panel.rows)):
        axes.plot((0, columns), (row + 1, row + 1), color=LINE, linewidth=0.8)
        for place, text in enumerate(cells[:columns]):
            x, side = (0.01, "left") if place == 0 else (place + 0.99, "right")
            colour = INK if row else INK_3
            axes.text(x, row + 0.5, speaker.say(text), ha=side, va="center", fontsize=9, color=colour)


def draw_notes(axes: Axes, panel: Notes, speaker: Speaker) -> None:
    """Draw sentences."""
    _prepare(axes, 1, len(panel.lines))
    for row, text in enumerate(panel.lines):
        axes.text(0.0, row + 0.5, speaker.say(text), va="center", fontsize=8.5, color=INK_2)


def _prepare(axes: Axes, columns: int, rows: int) -> None:
    axes.set_xlim(0, columns)
    axes.set_ylim(max(rows, 1), 0)
    axes.set_axis_off()


def _tint(value: float, updown: UpDown) -> tuple[float, float, float]:
    strength = next((tint for least, tint in reversed(_TINTS) if abs(value) > least), 0.0)
    colour, back = to_rgb(UP_DOWN[updown][0 if value > 0 else 1]), to_rgb(BACK)
    red, green, blue = (strength * c + (1 - strength) * b for c, b in zip(colour, back, strict=True))
    return red, green, blue
