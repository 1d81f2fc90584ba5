"""The rows of files that cannot be read, for the quarantine; pure."""

from collections.abc import Sequence

import polars as pl

from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.numbers import parse_numbers

#: Rows of files that are lost: what could be read of each, the number of its file, and its line. `of` and `session` are
#: the symbol and the day that the row belongs to, by itself or by the rows beside it; null if no row beside it has any.
LOST_SCHEMA = pl.Schema(
    {**RAW_BAR_SCHEMA, "file": pl.UInt32(), "line": pl.Int64(), "of": pl.String(), "session": pl.Date()}
)


def find_lost_rows(filled: pl.DataFrame, rows: pl.DataFrame, opened: Sequence[OpenedFile]) -> pl.DataFrame:
    """Return the rows that are not bars, in `LOST_SCHEMA`: `filled` has the cells of all, `rows` the dated ones.

    Both have `row`, the number of the row. A dated row is lost, too, if it has no value left, and `is_bad`: a cell that
    is no number. With some values, the quality rules reject it.
    """
    is_lost = pl.col("is_bad") & pl.all_horizontal(pl.col(name).is_null() for name in VALUES)
    if rows.height == filled.height and not rows.select(is_lost.any()).item():
        return pl.DataFrame(schema=LOST_SCHEMA)
    known = rows.select("row", is_lost.alias("is_lost"), "session", "opened_at", of="symbol")
    every = filled.join(known, on="row", how="left", maintain_order="left")
    owners = pl.lit(pl.Series([each.owner for each in opened], dtype=pl.String)).gather(pl.col("file"))
    every = every.with_columns(of=pl.coalesce("of", owners))
    # A row goes with the one above, else with the one below, of its own symbol if it is known.
    every = every.with_columns(of=_beside("of").over("file"))
    every = every.with_columns(session=_beside("session").over("file", "of"))
    lost = every.filter(pl.col("is_lost").fill_null(value=True))
    cells = [_numbers(lost, name) for name in VALUES]
    symbol = pl.col("symbol").cast(pl.String) if "symbol" in lost.columns else pl.col("of")
    lost = lost.with_columns(*cells, symbol=pl.coalesce(symbol, "of", pl.lit("")))
    return lost.select(pl.col(name).cast(kind) for name, kind in LOST_SCHEMA.items())


def _beside(name: str) -> pl.Expr:
    return pl.col(name).forward_fill().backward_fill()


def _numbers(rows: pl.DataFrame, name: str) -> pl.Series:
    return parse_numbers(rows[name])[0].alias(name) if name in rows.columns else pl.Series(name, [None] * rows.height)
