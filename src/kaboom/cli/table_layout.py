"""Fit tables to a terminal: cells are folded if words stay whole; otherwise each row is a list of its cells."""

from itertools import chain

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

#: A longer word, such as a path or a Japanese sentence, may be folded.
_LONGEST_WORD = 14
#: A cell wider than the first number is a sentence, and is not folded to less than the second.
_SENTENCE, _LEAST_OF_A_SENTENCE = 40, 20
#: Cells of the terminal between two columns.
_GAP = 2


def fit(table: Table, console: Console) -> RenderableType:
    """Return a table that fits the width of the console; a Japanese character is two columns wide.

    A table without headers is always folded. If words in a table with headers would be cut, each row becomes a list of
    names and values, with an empty line between two rows.
    """
    has_sentence = any(_widest(column) > _SENTENCE and not column.no_wrap for column in table.columns)
    least = _least_width_beside_sentence if has_sentence else _least_width
    needed = sum(map(least, table.columns)) + _GAP * (len(table.columns) - 1)
    if not table.show_header or needed <= console.width:
        return table
    return _as_lists(table, console.width)


def _least_width(column: Column) -> int:
    cells = [_text(cell) for cell in chain([column.header], column.cells)]
    if column.no_wrap:
        return _widest(column)
    longest = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
    return min(longest, _LONGEST_WORD)


def _least_width_beside_sentence(column: Column) -> int:
    # Rich makes the widest columns equally wide.
    return _widest(column) if column.no_wrap else min(_widest(column), _LEAST_OF_A_SENTENCE)


def _widest(column: Column) -> int:
    cells = (_text(cell) for cell in chain([column.header], column.cells))
    return max(cell_len(line) for cell in cells for line in cell.split("\n"))


def _as_lists(table: Table, width: int) -> Table:
    names = [_text(column.header) for column in table.columns]
    whole = max((_least_width(column) for column in table.columns if column.no_wrap), default=0)
    is_beside = max(map(cell_len, names)) + _GAP + whole <= width
    pairs = Table(box=None, pad_edge=False, show_header=False, title=table.title, title_justify="left")
    for n, row in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if n:
            pairs.add_row()
        for name, cell in zip(names, row, strict=True):
            if not _text(cell):
                continue
            if is_beside:
                pairs.add_row(Text(name), cell)
            else:
                pairs.add_row(Text(name))
                pairs.add_row(Padding(cell, (0, 0, 0, _GAP)))
    for column in pairs.columns:
        column.overflow = "fold"
    return pairs


def _text(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
