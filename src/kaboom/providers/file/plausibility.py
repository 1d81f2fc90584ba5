"""Whether the values of a file fit together: its name and its symbols, its volumes and its ticks; pure."""

from collections.abc import Sequence

import polars as pl

from kaboom.market.bar import VALUES
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.layout import Layout, Role
from kaboom.providers.file.refusals import Refusals

#: Rows of one file with the symbol and the time of another one, and other prices, that are taken for corrections.
MOST_REPEATS = 2
_MOST_REPEATED = 0.1


def check_names(rows: pl.DataFrame, opened: Sequence[OpenedFile], refused: Refusals) -> pl.DataFrame:
    """Return rows without those of another symbol than the TSE code that is the file's name, which are refused.

    A file with several other symbols has them all; a code such as 2024 may be the year of all its rows. If it is, and
    no column has symbols, the file is refused.
    """
    rows = _drop_years(rows, opened, refused)
    if not any(each.named for each in opened):
        return rows
    named = pl.Series([each.named for each in opened], dtype=pl.String)
    is_other = pl.col("symbol") != pl.lit(named).gather(pl.col("file"))
    others = pl.col("symbol").filter(is_other).n_unique().over("file")
    is_year = (pl.col("local").dt.year().cast(pl.String) == pl.lit(named).gather(pl.col("file"))).all().over("file")
    judged = rows.with_columns(is_wrong=(is_other & (others == 1) & ~is_year).fill_null(value=False))
    column = refused.layout.name_of(Role.SYMBOL) if Role.SYMBOL in refused.layout.columns else None
    for (file, symbol), part in judged.filter("is_wrong").group_by("file", "symbol", maintain_order=True):
        name = opened[int(str(file))].named
        why = f"expected symbol {name} as in the name of the file, found {symbol}"
        # Whoever asks for either of the two learns why it has no bars.
        for each in (part, part.with_columns(symbol=pl.lit(name))):
            refused.add_rows(each, why, column=column)
    return judged.filter(~pl.col("is_wrong")).drop("is_wrong")


def _drop_years(rows: pl.DataFrame, opened: Sequence[OpenedFile], refused: Refusals) -> pl.DataFrame:
    if not any(each.year for each in opened):
        return rows
    year = pl.lit(pl.Series([each.year for each in opened], dtype=pl.String)).gather(pl.col("file"))
    is_year = pl.any_horizontal(pl.col("local").dt.strftime(form) == year for form in ("%Y", "%Y%m"))
    judged = rows.with_columns(is_year=is_year.fill_null(value=False).all().over("file"))
    for (file, _), part in judged.filter("is_year").group_by("file", "symbol", maintain_order=True):
        name = opened[int(str(file))].year
        why = (
            f"expected a symbol as the name of the file, found {name}, the year or month of all its rows: name the"
            " file after its symbol, or set KABOOM_FILE_SYMBOLS"
        )
        refused.add_rows(part, why)
    return judged.filter(~pl.col("is_year")).drop("is_year")


def judge_repeats(rows: pl.DataFrame) -> tuple[str, int | None]:
    """Return why a file is refused, many of whose rows have the symbol and the time of another, and its line.

    Then a column of an unknown name has the times, or the symbols. A few such rows are corrections, of which the last
    counts.
    """
    values = [name for name in VALUES[:4] if name in rows.columns]
    ordered = rows.unique(["symbol", "utc", *values], maintain_order=True)
    again = ordered.filter(pl.int_range(pl.len()).over("symbol", "utc") > 0)
    if again.height <= max(MOST_REPEATS, _MOST_REPEATED * ordered.height):
        return "", None
    text, line = again.row(0, named=True)["text"], again["line"][0]
    return (
        f"expected one row for each time, found {str(text)[:40]!r} with other prices again, as in {again.height:,}"
        " rows: name the column of their times Time, or that of their symbols Symbol"
    ), line


def find_notes(rows: pl.DataFrame, layout: Layout, files: int) -> list[tuple[str, ...]]:
    """Return the notes of each file: that its volume is 0 in all rows, beside a column of ticks that is not."""
    notes: list[tuple[str, ...]] = [()] * files
    if {Role.VOLUME.value, Role.TICKS.value} <= set(rows.columns) and Role.VOLUME in layout.columns:
        volume, ticks = layout.name_of(Role.VOLUME), layout.name_of(Role.TICKS)
        empty = (pl.col(Role.VOLUME.value).fill_null(0) == 0).all() & (pl.col(Role.TICKS.value) > 0).any()
        for (file,) in rows.group_by("file").agg(empty.alias("is_empty")).filter("is_empty").select("file").rows():
            notes[file] = (f"{volume} is 0 in every row beside {ticks}: bars are stored with volume 0",)
    return notes
