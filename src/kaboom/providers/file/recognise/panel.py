"""Panels: a file for each price, with a row for each day and a column for each symbol; pure."""

from collections.abc import Mapping

from kaboom.errors import InvalidRequest
from kaboom.market.symbol import is_tse_code
from kaboom.providers.file.names import parse_file_symbol
from kaboom.providers.file.recognise.layout import PRICES, Block, Layout, Role

#: Why the panel of one price alone is refused.
LONE = (
    "expected open, high, low and close, found one value a day for each symbol: put open.csv, high.csv, low.csv and"
    " close.csv into one folder"
)


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
