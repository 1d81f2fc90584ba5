"""Cells of tables, shown as they are."""

from rich.table import Table
from rich.text import Text

from batch.kit.printable import clean


def add_row(table: Table, *cells: object) -> None:
    """Add a row of cells to a table: text is never taken for rich's markup, nor obeyed by the terminal."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in cells))
