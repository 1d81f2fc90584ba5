"""A sheet of panels, one below the other, as PNG bytes."""

import io
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from PIL import Image

from kaboom.pictures.model import (
    Candlesticks,
    Curves,
    Heat,
    Language,
    Notes,
    Panel,
    Picture,
    Series,
    Table,
    Text,
    UpDown,
)

DPI = 100
WIDTH = 12.0
BACK, LINE, INK, INK_2, INK_3 = "#ffffff", "#e3e3de", "#17191d", "#4d5058", "#686b73"
#: The lines of a panel by rank: colour, width, dashes.
LINES = (
    ("#3346b8", 1.6, "-"),
    ("#686b73", 1.1, "-"),
    ("#0b6e74", 1.2, "-"),
    ("#915d00", 1.2, "-"),
    ("#a30b34", 1.2, "--"),
    ("#6f80dd", 1.2, "--"),
    ("#4d5058", 1.2, "-."),
    ("#0f6f4a", 1.2, ":"),
)
#: The colours of a rise and of a fall.
UP_DOWN: Mapping[UpDown, tuple[str, str]] = {
    "jp": ("#cc2222", "#1c62b5"),
    "intl": ("#0f6f4a", "#cc2222"),
    "mono": ("#17191d", "#8b8c87"),
}
_LATIN = "DejaVu Sans"  # comes with matplotlib
_JAPANESE = (
    "Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "BIZ UDPGothic", "Yu Gothic", "Meiryo", "IPAexGothic",
    "IPAPGothic", "TakaoPGothic", "VL PGothic", "MS Gothic",
)  # fmt: skip
#: From here on characters are not in the Latin font: radicals, kana, kanji, full-width forms.
_FIRST_CJK = "\u2e80"


def settings(families: list[str]) -> Any:
    """Return the settings that change matplotlib's defaults; those of the user are ignored."""
    return {
        "font.family": families,
        "font.size": 10,
        "text.color": INK,
        "text.parse_math": False,
        "axes.edgecolor": LINE,
        "axes.labelcolor": INK_3,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.unicode_minus": True,
        "grid.color": LINE,
        "grid.linewidth": 0.8,
        "xtick.color": INK_3,
        "ytick.color": INK_3,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "path.simplify": True,
        "agg.path.chunksize": 20_000,
    }


@cache
def find_japanese() -> str | None:
    """Return the name of a font with Japanese characters; None if no such font is installed."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _JAPANESE if name in known), None)


def families(language: Language) -> list[str]:
    """Return the fonts of a language, in the order in which matplotlib searches them for a character."""
    japanese = find_japanese()
    if japanese is None:
        return [_LATIN]
    return [japanese, _LATIN] if language == "ja" else [_LATIN, japanese]


class Speaker:
    """Chooses the language of each text."""

    def __init__(self, language: Language) -> None:
        """Use a language; English if no font has Japanese characters."""
        self.language: Language = language if find_japanese() else "en"

    def say(self, text: Text) -> str:
        """Return a text, without the characters that no font has."""
        chosen = text[1 if self.language == "ja" else 0]
        if find_japanese():
            return chosen
        return " ".join("".join(letter for letter in chosen if letter < _FIRST_CJK).split())


#: matplotlib's settings are global, so one picture is drawn at a time.
_ONE = threading.Lock()
_TOP, _GAP, _BOTTOM, _LEFT, _RIGHT = 0.75, 0.62, 0.4, 0.85, 0.35
_VOLUME = 1.1
_COLOURS = 64
_HALF = 0.34
#: Shares from which a cell has the next stronger tint, and how strong it is.
_TINTS = ((0.0, 0.1), (0.015, 0.22), (0.035, 0.36))
_TICKS = 8


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
            draw_curves(axes, panel, speaker)
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
