"""Prices and volumes: text or typed columns to floats; pure."""

import polars as pl

# Texts that exporters write if there is no value. Such a cell becomes null, and the row is kept.
_ABSENT = ("", "null", "nan", "none", "na", "n/a", "-", "--", "―", "\uff0d")
#: The parts of a number that are ignored: thousands separators, and a currency before it.
_SIGNS = "[,\uff0c\\s]|^[$¥\uffe5€]"
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def parse_numbers(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return a column as float64, with null for a missing value, and a mask of the cells that are not numbers."""
    if cells.dtype != pl.String():
        numbers = cells.cast(pl.Float64(), strict=False)
        return numbers, numbers.is_null() & cells.is_not_null()
    numbers = cells.cast(pl.Float64(), strict=False)
    if numbers.null_count() == cells.null_count() and not numbers.is_nan().any():
        return numbers, pl.repeat(value=False, n=len(cells), eager=True)
    odd = (numbers.is_null() | numbers.is_nan()) & cells.is_not_null()
    places = odd.arg_true()
    text = cells.gather(places).str.replace_all(_SIGNS, "").str.to_lowercase()
    absent = text.is_in(_ABSENT)
    plain = text.set(absent, None).cast(pl.Float64(), strict=False).fill_null(_with_unit(text))
    numbers = numbers.scatter(places, plain)
    return numbers, odd.scatter(places, plain.is_null() & ~absent)


def _with_unit(text: pl.Series) -> pl.Series:
    """Return numbers such as 25.10M, rounded to whole shares."""
    parts = text.str.extract_groups(r"^(?P<number>[0-9.]+)(?P<unit>[kmbt])$").struct.unnest()
    factor = parts["unit"].replace_strict(_UNITS, default=None, return_dtype=pl.Float64)
    return (parts["number"].cast(pl.Float64, strict=False) * factor).round()
