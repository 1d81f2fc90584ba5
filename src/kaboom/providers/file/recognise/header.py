"""Finding the header of a file: below title lines, in one row, in pandas' two or three, or of a panel; pure."""

import ast
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from kaboom.errors import InvalidRequest
from kaboom.market.symbol import is_tse_code
from kaboom.providers.file.names import parse_file_symbol
from kaboom.providers.file.recognise.layout import (
    PRICES,
    TIMES,
    Block,
    Layout,
    Role,
    find_missing,
    find_power,
    find_role,
    find_scale,
    is_known,
    lay_out,
)

_SEPARATORS = ",;\t|"
#: The number of first lines in which a header is searched for.
_MOST_LINES = 30
#: The number of lines that one row of names may have.
_MOST_OF_ROW = 12
#: The labels that pandas writes before the names of prices and of symbols, in a header of several rows.
_LEVELS = frozenset({"price", "prices", "ticker", "tickers", "attributes", "symbols", ""})
_PAIR = re.compile(r"^\('[^']*', '[^']*'\)$")
#: Why the panel of one price alone is refused.
LONE = (
    "expected open, high, low and close, found one value a day for each symbol: put open.csv, high.csv, low.csv and"
    " close.csv into one folder"
)


def find_layout(head: str) -> Layout:
    """Return the layout of a text by its first lines; if no line is a complete header, by the best one.

    Raises:
        InvalidRequest: the lines above the header have a scale that may be that of the volumes.

    """
    lines, ends = _join_cells([line.rstrip("\r") for line in islice(head.split("\n"), _MOST_LINES)])
    layout = _find_layout(lines)
    return replace(layout, first_line=ends[layout.first_line - 2] + 1)


def _join_cells(lines: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return lines, those of one row joined if a cell has several, as Excel writes it; and the last line of each."""
    joined, ends = list[str](), list[int]()
    start = 0
    while start < len(lines):
        more = range(start + 1, min(start + 1 + _MOST_OF_ROW, len(lines) + 1))
        end = next((end for end in more if " ".join(lines[start:end]).count('"') % 2 == 0), start + 1)
        joined.append(" ".join(lines[start:end]))
        ends.append(end)
        start = end
    return joined, ends


def _find_layout(lines: Sequence[str]) -> Layout:
    rows = [_cells(line) for line in lines]
    best: Layout | None = None
    for number, (cells, separator) in enumerate(rows):
        if wide := _find_wide(rows[number : number + 3], number):
            return wide
        names = _fill(cells, rows[number - 1][0]) if number else cells
        layout = lay_out(names, first_line=number + 2, separator=separator)
        if not find_missing(layout):
            titles = tuple(lines[:number] if names == cells else lines[: number - 1])
            return replace(layout, power=layout.power or find_scale(titles), titles=titles)
        if best is None or len(layout.columns) > len(best.columns):
            best = layout
    if best is not None and is_panel(best):
        return replace(best, power=find_scale(lines[: best.first_line - 2]))
    return best or lay_out([])


def find_table_layout(names: Sequence[str]) -> Layout:
    """Return the layout of a table with types, by the names of its columns; pandas writes a pair as a text."""
    if sum(_PAIR.match(name) is not None for name in names) < len(names) // 2:
        return lay_out(names, first_line=1, separator="")
    pairs = [ast.literal_eval(name) if _PAIR.match(name) else (name, "") for name in names]
    prices, symbols = zip(*pairs, strict=True)
    if sum(find_role(name) is not None for name in prices) < sum(find_role(name) is not None for name in symbols):
        prices, symbols = symbols, prices
    return _build_wide(prices, symbols, index=names, first_line=1, separator="")


def _cells(line: str) -> tuple[list[str], str]:
    separator = max(_SEPARATORS, key=line.count)
    return next(csv.reader([line], delimiter=separator), []), separator


def _fill(cells: list[str], above: list[str]) -> list[str]:
    """Return the cells of a row, the empty ones as in the row above if that names a column: cells may be merged."""
    if len(cells) != len(above) or not any(map(find_role, cells)):
        return cells
    return [cell if cell.strip() or find_role(name) is None else name for cell, name in zip(cells, above, strict=True)]


def _find_wide(rows: Sequence[tuple[list[str], str]], number: int) -> Layout | None:
    """Return the layout of two or three rows that name the prices, the symbols and the index, in pandas' ways."""
    if len(rows) < 2 or len(rows[0][0]) < 5 or len(rows[0][0]) != len(rows[1][0]):
        return None
    (first, separator), (second, _) = rows[0], rows[1]
    if not all(row[0].strip().lower() in _LEVELS for row in (first, second)):
        return None
    prices, symbols = (first, second) if find_role(first[1]) else (second, first)
    if not all(find_role(name) or is_known(name) for name in prices[1:]):
        return None
    index = rows[2][0] if len(rows) > 2 else []
    has_index = bool(index) and not any(cell.strip() for cell in index[1:])
    lines = 3 if has_index else 2
    return _build_wide(prices, symbols, index=index if has_index else ["Date"], first_line=number + lines + 1,
                       separator=separator)  # fmt: skip


def _build_wide(
    prices: Sequence[str], symbols: Sequence[str], *, index: Sequence[str], first_line: int, separator: str
) -> Layout:
    times: list[tuple[Role, int]] = [
        (role, n) for n, name in enumerate(index) if (role := find_role(name)) in TIMES and role is not None
    ] or [(Role.DATE, 0)]
    taken = {n for _, n in times}
    columns: dict[str, dict[Role, int]] = {}
    unused = list[str]()
    for number, (price, symbol) in enumerate(zip(prices, symbols, strict=True)):
        role = find_role(price)
        if number in taken:
            continue
        if role is None or not symbol.strip():
            unused.append(f"{price} {symbol}".strip())
        else:
            columns.setdefault(parse_file_symbol(symbol), {}).setdefault(role, number)
    blocks = tuple(Block((*times, *roles.items()), symbol) for symbol, roles in columns.items())
    header = tuple(" ".join(pair).strip() for pair in zip(prices, symbols, strict=True))
    power = max((find_power(price) for price in prices if find_role(price) is Role.VOLUME), default=0)
    return Layout(header, blocks or (Block(tuple(times)),), tuple(unused), (), first_line, separator, power)


def is_panel(layout: Layout) -> bool:
    """Return whether a layout is one of dates and symbols, without a column of a price."""
    if not layout.times or set(layout.columns) & set(PRICES) or not layout.unknown:
        return False
    return all(_is_symbol(name) for name in layout.unknown)


def join_panels(panels: Mapping[Role, Layout]) -> Layout:
    """Return the layout of some panels side by side: the columns of each, in their order; the first has the dates.

    Raises:
        InvalidRequest: a column has no symbol, a symbol has two columns, or a panel has other symbols than the first.

    """
    columns: dict[str, list[tuple[Role, int]]] = {}
    header: list[str] = []
    times: tuple[tuple[Role, int], ...] = ((Role.DATE, 0),)
    first: set[str] = set()
    for role, layout in panels.items():
        found = _find_symbols(layout)
        first = first or set(found)
        if other := sorted(first ^ set(found)):
            raise InvalidRequest(f"expected the same symbols in each price, found {other[0]!r} not in each")
        for symbol, number in found.items():
            columns.setdefault(symbol, []).append((role, len(header) + number))
        header += [f"{role.value} {name}" if n else name for n, name in enumerate(layout.header)]
    blocks = tuple(Block((*times, *roles), symbol) for symbol, roles in columns.items())
    base = next(iter(panels.values()))
    power = panels[Role.VOLUME].power if Role.VOLUME in panels else 0
    return Layout(tuple(header), blocks, first_line=base.first_line, separator=base.separator, power=power)


def _find_symbols(layout: Layout) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, name in enumerate(layout.header[1:], 1):
        symbol = parse_file_symbol(name)
        if symbol in found:
            raise InvalidRequest(f"expected one column for each symbol, found two of {symbol!r}")
        found[symbol] = number
    if not found:
        raise InvalidRequest("expected a column for each symbol, found none")
    return found


def _is_symbol(name: str) -> bool:
    try:
        symbol = parse_file_symbol(name)
    except InvalidRequest:
        return False
    return is_tse_code(symbol) or (name.isupper() and symbol.isalnum())
