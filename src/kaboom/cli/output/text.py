"""Tables of plain text, in either language, and times of Japan."""

from collections.abc import Container
from datetime import datetime
from typing import Literal

from rich.table import Table
from rich.text import Text

from kaboom.drivers.printable import clean
from kaboom.market.calendar import JST
from kaboom.text.speaker import Speaker


def new_table(
    words: Speaker, *names: str, right: Container[str] = (), whole: Container[str] = (), title: str | None = None
) -> Table:
    """Return a table with these columns; numbers (`right`) and texts to copy (`whole`) are not folded."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for name in names:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(words.header(name), justify=justify, no_wrap=name in whole or name in right, overflow="fold")
    return table


def new_list() -> Table:
    """Return a table without headers."""
    return Table(box=None, pad_edge=False, show_header=False)


def add_row(table: Table, *cells: object) -> None:
    """Add a row of cells; their text is never interpreted as rich markup or as control codes of the terminal."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in cells))


def to_jst(text: str | None, timespec: str = "minutes") -> str:
    """Return an ISO time as `2025-11-04 16:35` in Japan; empty for None; any other text is unchanged."""
    if not text:
        return ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.astimezone(JST).replace(tzinfo=None).isoformat(" ", timespec)


def to_jst_line(text: str | None, timespec: str = "minutes") -> str:
    """Return an ISO time in Japan, marked as such: `2025-11-04 16:35 JST`."""
    return f"{to_jst(text, timespec)} JST" if text else ""
