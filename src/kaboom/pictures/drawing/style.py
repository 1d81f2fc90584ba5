"""The look of pictures: the dashboard's colours on white, and the settings of matplotlib that a picture depends on."""

from collections.abc import Mapping
from typing import Any

from kaboom.pictures.model import UpDown

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
