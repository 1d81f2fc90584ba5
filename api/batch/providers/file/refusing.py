"""The refused cells and rows of files that are read together, gathered by file and cause."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from batch.providers.file.errors import Refusal
from batch.providers.file.moments import explain
from batch.providers.file.reading import OpenedFile
from batch.providers.file.recognise.layout import Layout

#: Cells of one column of one file that are named one by one.
_MOST_CELLS = 20


class Refusals:
    """Gathers the refused parts of some files of one layout."""

    def __init__(self, opened: Sequence[OpenedFile]) -> None:
        self._opened = opened
        self._found: list[list[Refusal]] = [[] for _ in opened]

    @property
    def layout(self) -> Layout:
        """The layout of the files."""
        return self._opened[0].layout

    def of(self, file: int) -> tuple[Refusal, ...]:
        """Return the refusals of a file, by its number: of the whole file first, then by line."""
        return tuple(sorted(self._found[file], key=lambda refusal: refusal.line or 0))

    def add(self, refusals: Iterable[Refusal]) -> None:
        """Add refusals of the only file."""
        self._found[0] += refusals

    def add_file(self, file: int, why: str, *, line: int | None = None) -> None:
        """Refuse a file as a whole, by its first row if no line is given."""
        each, line = self._opened[file], line or self.layout.first_line
        self._found[file].append(Refusal(each.file.name, why, line, symbol=each.owner))

    def add_file_wide(self, why: str) -> None:
        """Refuse all files for their header."""
        for file in range(len(self._opened)):
            self.add_file(file, why, line=max(1, self.layout.first_line - 1))

    def add_rows(self, rows: pl.DataFrame, why: str, *, column: str | None = None) -> None:
        """Refuse rows with one cause: each file names its first line and their number."""
        for (file,), part in rows.group_by("file", maintain_order=True):
            self._add(int(str(file)), why, part.row(0, named=True), column, part.height)

    def add_cells(self, rows: pl.DataFrame, role: str, column: str) -> None:
        """Refuse cells that are not numbers, each with its line; if there are very many in a file, the first ones."""
        for (file,), part in rows.group_by("file", maintain_order=True):
            for row in part.head(_MOST_CELLS).iter_rows(named=True):
                why = f"expected a number, found {str(row[role])[:40]!r}"
                self._add(int(str(file)), why, row, column, 1)
            if part.height > _MOST_CELLS:
                more = part.row(_MOST_CELLS, named=True)
                self._add(int(str(file)), "expected numbers", more, column, part.height - _MOST_CELLS)

    def judge_times(self, rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
        """Refuse rows without a time, or without a symbol, and return the rows."""
        lost = pl.col("fault").is_null() & (pl.col("utc").is_null() | pl.col("symbol").is_null())
        rows = rows.with_columns(fault=pl.when(lost).then(pl.lit("empty")).otherwise("fault"))
        for (file, fault), part in rows.filter(pl.col("fault").is_not_null()).group_by(
            "file", "fault", maintain_order=True
        ):
            row = part.row(0, named=True)
            column = None if fault == "empty" else layout.name_of(layout.times[0])
            self._add(int(str(file)), explain(str(fault), str(row["text"])), row, column, part.height)
            if layout.has_symbols and fault != "empty":
                self._blame_others(int(str(file)), part, str(fault), column)
        return rows

    def _blame_others(self, file: int, part: pl.DataFrame, fault: str, column: str | None) -> None:
        """Name the first line of every other symbol with the same fault."""
        first = part.unique("symbol", keep="first", maintain_order=True).slice(1)
        for row in first.iter_rows(named=True):
            self._add(file, explain(fault, str(row["text"])), row, column, None)

    def _add(self, file: int, why: str, row: dict[str, object], column: str | None, rows: int | None) -> None:
        each = self._opened[file]
        symbol = row.get("symbol") or each.owner
        refusal = Refusal(each.file.name, why, int(str(row["line"])), column, rows=rows)
        self._found[file].append(replace(refusal, symbol=None if symbol is None else str(symbol)))
