"""A sheet of panels, one below the other, as PNG bytes."""

import io
import threading

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from kaboom.pictures.drawing import candlesticks, curves, tables
from kaboom.pictures.drawing.fonts import Speaker, families
from kaboom.pictures.drawing.style import BACK, DPI, INK_3, WIDTH, settings
from kaboom.pictures.model import Candlesticks, Curves, Heat, Language, Notes, Panel, Picture, Table

#: matplotlib's settings are global, so one picture is drawn at a time.
_ONE = threading.Lock()
_TOP, _GAP, _BOTTOM, _LEFT, _RIGHT = 0.75, 0.62, 0.4, 0.85, 0.35
_VOLUME = 1.1
_COLOURS = 64


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
        candlesticks.draw_candlesticks(upper, panel, picture.updown, speaker)
        candlesticks.draw_volumes(_axes(figure, bottom, height * share * 0.86), panel, picture.updown)
        upper.set_xticklabels([])
        return
    axes = _axes(figure, bottom, height)
    match panel:
        case Candlesticks():
            candlesticks.draw_candlesticks(axes, panel, picture.updown, speaker)
        case Curves():
            curves.draw_curves(axes, panel, speaker)
        case Heat():
            tables.draw_heat(axes, panel, picture.updown, speaker)
        case Table():
            tables.draw_table(axes, panel, speaker)
        case Notes():
            tables.draw_notes(axes, panel, speaker)


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
