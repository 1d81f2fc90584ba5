"""Tables, heat maps and sentences."""

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from kaboom.pictures.drawing.fonts import Speaker
from kaboom.pictures.drawing.style import BACK, INK, INK_2, INK_3, LINE, UP_DOWN
from kaboom.pictures.model import Heat, Notes, Table, UpDown

#: Shares from which a cell has the next stronger tint, and how strong it is.
_TINTS = ((0.0, 0.1), (0.015, 0.22), (0.035, 0.36))


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
