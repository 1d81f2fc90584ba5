"""Symbols as files spell them."""

import re
from pathlib import Path

import polars as pl

from batch.errors import InvalidRequest
from batch.market.symbol import parse_foreign_symbol, parse_symbol
from batch.providers.file.errors import refuse_file
from batch.providers.file.reading import SUFFIXES

_TOKEN_ENDS = re.compile(r"[_\s]+")
_TSE_SUFFIX = ".T"


def parse_file_symbol(text: str) -> str:
    """Return the symbol that a file means: a TSE code loses `.T` and a fifth digit 0, others are upper-cased.

    Raises:
        InvalidRequest: the text is no symbol.

    """
    symbol = parse_foreign_symbol(text)
    try:
        return parse_symbol(symbol.removesuffix(_TSE_SUFFIX))
    except InvalidRequest:
        return symbol


def symbol_of_path(path: Path) -> str:
    """Return the symbol that a file's name begins with: `4063` of `4063_T_1d_2023.csv`.

    Raises:
        ProviderError: the name begins with no symbol.

    """
    suffix = next(s for s in SUFFIXES if path.name.lower().endswith(s))
    token = _TOKEN_ENDS.split(path.name[: -len(suffix)])[0]
    try:
        return parse_file_symbol(token)
    except InvalidRequest as e:
        raise refuse_file(path, f"expected a file name that begins with a symbol; {e.message}") from e


def parse_symbols(cells: pl.Series, path: Path) -> pl.Series:
    """Return a column of symbols, null where the cell is empty.

    Raises:
        ProviderError: a cell is no symbol.

    """
    text = cells.cast(pl.String())
    known: dict[str, str] = {}
    for spelling in text.unique().drop_nulls():
        try:
            known[spelling] = parse_file_symbol(spelling)
        except InvalidRequest as e:
            row = int((text == spelling).arg_max() or 0)
            raise refuse_file(path, e.message, line=row + 2) from e
    return text.replace(known)
