"""Prices and volumes: text or typed columns to floats."""

from pathlib import Path

import polars as pl

from batch.providers.file.errors import refuse_file

# What exporters write where there is no value. Such a cell becomes null, and the row is kept.
_ABSENT = ("", "null", "nan", "none", "na", "n/a", "-", "--")


def parse_numbers(cells: pl.Series, path: Path) -> pl.Series:
    """Return a column as float64, null where the cell says that there is no value.

    Raises:
        ProviderError: a cell is neither a number nor absent.

    """
    if cells.dtype != pl.String():
        return cells.cast(pl.Float64())
    numbers = cells.cast(pl.Float64(), strict=False)
    if numbers.null_count() > cells.null_count() or numbers.is_nan().any():
        text = cells.str.strip_chars().str.replace_all(",", "")
        absent = text.str.to_lowercase().is_in(_ABSENT).fill_null(value=True)
        numbers = text.set(absent, None).cast(pl.Float64(), strict=False)
        bad = numbers.is_null() & ~absent
        if bad.any():
            row = int(bad.arg_max() or 0)
            why = f"expected a number as {cells.name}, found {str(cells[row])[:40]!r}"
            raise refuse_file(path, why, line=row + 2)
    return numbers
