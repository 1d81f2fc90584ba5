"""Symbols as a caller names them, and what to say of one that nobody knows."""

from collections.abc import Collection, Iterable, Iterator
from numbers import Integral, Number
from typing import TYPE_CHECKING

from kaboom.errors import InvalidRequest
from kaboom.market.indices import find_index
from kaboom.market.symbol import MOST_NEAR, find_nearest, normalise_symbol, parse_symbol

if TYPE_CHECKING:
    import polars as pl

#: One code, such as "7203", "285A" or 7203.
type Symbol = str | int
#: One code, or several.
type Symbols = Symbol | Iterable[Symbol]

#: The most unknown symbols that an error names.
_MOST_TOLD = 5


def to_symbols(symbols: Symbols | None) -> tuple[str, ...]:
    """Return codes in half-width capitals, none for all; an empty list is a choice that chose nothing, and not all.

    Raises:
        InvalidRequest: no symbol is in it, or something else, such as a float of a pandas column with gaps.

    """
    if symbols is None:
        return ()
    # A code from a NumPy array or a pandas frame is no int, but Integral.
    given = [symbols] if isinstance(symbols, str | int | Number) else list(symbols)
    if wrong := [one for one in given if not isinstance(one, str | Integral)]:
        raise InvalidRequest(f"symbol was {wrong[0]!r}, expected a TSE local code such as '7203' or '285A'")
    named = tuple(dict.fromkeys(normalise_symbol(str(one)) for one in given))
    if not named:
        raise InvalidRequest("symbols was empty: name at least one symbol, or leave symbols out to take all")
    if "" in named:
        raise InvalidRequest("symbols had an empty text, expected a code such as '7203'")
    return named


def to_codes(symbol: str) -> Iterator[str]:
    """Yield what the bars of a symbol may be stored as: "72030" is 7203, and "TOPIX" the index ^0000."""
    yield symbol
    for parse in (parse_symbol, find_index):
        try:
            found = parse(symbol)
        except InvalidRequest:
            continue
        if found is not None:
            yield found


def describe_unknown(unknown: Collection[str], held: Collection[str], listings: "pl.DataFrame") -> str:
    """Return a sentence on symbols that are neither held nor listed, with the nearest that are.

    `listings` has the columns symbol, name and name_en.
    """
    names = dict(listings.select("symbol", "name").iter_rows())
    named = []
    for symbol in list(unknown)[:_MOST_TOLD]:
        near = _find_near(symbol, held, listings)
        labels = (f"{code} {names[code]}" if code in names else code for code in near)
        named.append(f"{symbol!r} (nearest: {', '.join(labels)})" if near else f"{symbol!r}")
    more = f" and {len(unknown) - _MOST_TOLD} more" if len(unknown) > _MOST_TOLD else ""
    return f"symbol was {', '.join(named)}{more}, expected one that is held or listed"


def _find_near(symbol: str, held: Collection[str], listings: "pl.DataFrame") -> list[str]:
    if near := find_nearest(symbol, {*held, *listings["symbol"]}, held):
        return near
    from kaboom.market.reference import search_listings  # noqa: PLC0415  polars

    return search_listings(listings, symbol)["symbol"].head(MOST_NEAR).to_list()
