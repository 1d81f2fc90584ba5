"""The refused cells and rows of files that are read together, gathered by file and cause."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from kaboom.market.symbol import is_tse_code
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.packed import XLSX
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.layout import Layout, Role, explain_scale, find_role, names_scale
from kaboom.providers.file.recognise.numbers import has_decimal_comma
from kaboom.providers.file.times import TWICE, explain

#: Cells of one column of one file that are named one by one.
_MOST_CELLS = 20
#: A text that is meant as a time of day, and a day whose month is last, as 2024-13-11.
_HAS_CLOCK = r"^[0-9].*([0-9][:時][0-9]|[0-9] ?[AaPp]\.?[Mm]|午[前後])"
_MONTH_LAST = r"^[0-9]{4}[^0-9](1[3-9]|2[0-9]|3[01])[^0-9](0?[1-9]|1[0-2])([^0-9]|$)"


class Refusals:
    """Gathers the refused parts of some files of one layout."""

    def __init__(self, opened: Sequence[OpenedFile]) -> None:
        self._opened = opened
        self._found: list[list[Refusal]] = [[] for _ in opened]
        self._whole: dict[int, Refusal] = {}

    @property
    def layout(self) -> Layout:
        """The layout of the files."""
        return self._opened[0].layout

    @property
    def has_texts(self) -> bool:
        """Whether times are as their file writes them; a workbook has no midnight that differs from a day."""
        return all(each.file.suffix != XLSX for each in self._opened)

    def is_of_tokyo(self, file: int) -> bool:
        """Return whether the name of a file is a TSE code."""
        owner = self._opened[file].owner
        return owner is not None and is_tse_code(owner)

    def of(self, file: int) -> tuple[Refusal, ...]:
        """Return the refusals of a file, by its number, by line; if it is refused as a whole, only why."""
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

    def add_cells(self, rows: pl.DataFrame, role: str, column: str, *, is_clear: bool = True) -> None:
        """Refuse cells that are no numbers, each with its line, or could be read in two ways; of very many the first.

        A file with a unit in such a cell, or with the name of another column, is refused as a whole.
        """
        for (file,), part in rows.group_by("file", maintain_order=True):
            for row in part.head(_MOST_CELLS).iter_rows(named=True):
                text = str(row[role])
                self._add(int(str(file)), _explain_cell(text, is_clear=is_clear), row, column, 1)
                if why := _doubt_others(text, role):
                    self._refuse_whole(int(str(file)), row, why, column)
            if part.height > _MOST_CELLS:
                more = part.row(_MOST_CELLS, named=True)
                self._add(int(str(file)), "expected numbers", more, column, part.height - _MOST_CELLS)

    def judge_notes(self, rows: pl.DataFrame) -> None:
        """Refuse a file as a whole if a note to a row names a scale."""
        if "note" not in rows.columns:
            return
        notes = rows.drop_nulls("note").unique(["file", "note"], keep="first", maintain_order=True)
        for row in notes.iter_rows(named=True):
            if names_scale(text := str(row["note"])):
                self._refuse_whole(row["file"], row, explain_scale(text), self.layout.name_of(Role.NOTE))

    def drop_whole(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows without those of files that are refused as a whole, of whose symbols each gets the refusal."""
        for file, refusal in self._whole.items():
            symbols = rows.filter(pl.col("file") == file)["symbol"].drop_nulls().unique(maintain_order=True)
            self._found[file] = [replace(refusal, symbol=symbol) for symbol in symbols] or [refusal]
        return rows.filter(~pl.col("file").is_in(list(self._whole))) if self._whole else rows

    def judge_times(self, rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
        """Refuse rows without a time, or without a symbol, and return the rows.

        A file in which some times of day are refused, and other times are not, is refused as a whole: its interval and
        its days are found from all of its times.
        """
        lost = pl.col("fault").is_null() & (pl.col("utc").is_null() | pl.col("symbol").is_null())
        rows = rows.with_columns(fault=pl.when(lost).then(pl.lit("empty")).otherwise("fault"))
        refused = rows.filter(pl.col("fault").is_not_null())
        mixed = set(refused["file"]) & set(rows.filter(pl.col("fault").is_null())["file"])
        for (number, fault), part in refused.group_by("file", "fault", maintain_order=True):
            file, row = int(str(number)), part.row(0, named=True)
            column = None if fault == "empty" else layout.name_of(layout.times[0])
            self._add(file, explain(str(fault), str(row["text"])), row, column, part.height)
            if layout.has_symbols and fault != "empty":
                self._blame_others(file, part, str(fault), column)
            if file in mixed and fault not in {"empty", TWICE}:
                self._judge_others(file, part, column, has_clock=len(layout.times) > 1)
            if not layout.has_symbols and column is not None:
                self._judge_tables(file, rows, part.filter(pl.col("text").str.starts_with(column)), column)
        return rows

    def _judge_tables(self, file: int, rows: pl.DataFrame, heads: pl.DataFrame, column: str) -> None:
        """Refuse a file as a whole whose header comes again below a title: the rows below may be of another symbol."""
        of_file = rows.filter(pl.col("file") == file)
        good = of_file.filter(pl.col("fault").is_null())["line"]
        lines = {*of_file["line"], *(refusal.line for refusal in self._found[file])} - set(good)
        for row in heads.iter_rows(named=True):
            above = good.filter(good < row["line"]).max()
            if above is not None and any(int(str(above)) < line < row["line"] for line in lines if line):
                why = "expected one table, found a second one below a title: make a file of each"
                self._refuse_whole(file, row, why, column)

    def _judge_others(self, file: int, part: pl.DataFrame, column: str | None, *, has_clock: bool) -> None:
        """Refuse a file as a whole for a time that puts its other rows in doubt."""
        texts = part["text"].str.strip_chars()
        is_note = texts.is_in([text for text in texts.unique() if names_scale(text)])
        doubted = texts.str.contains(_HAS_CLOCK) | texts.str.contains(_MONTH_LAST) | is_note
        doubted |= (part["fault"] == "zone") | (texts.str.contains("^[0-9]") if has_clock else False)
        if doubted.any():
            row = part.row(doubted.arg_max() or 0, named=True)
            text = str(row["text"])
            why = explain_scale(text) if names_scale(text) else explain(str(row["fault"]), text)
            self._refuse_whole(file, row, why, column)

    def _blame_others(self, file: int, part: pl.DataFrame, fault: str, column: str | None) -> None:
        """Name the first line of every other symbol with the same fault."""
        first = part.unique("symbol", keep="first", maintain_order=True).slice(1)
        for row in first.iter_rows(named=True):
            self._add(file, explain(fault, str(row["text"])), row, column, None)

    def _refuse_whole(self, file: int, row: dict[str, object], why: str, column: str | None) -> None:
        name, owner = self._opened[file].file.name, self._opened[file].owner
        self._whole.setdefault(file, Refusal(name, why, int(str(row["line"])), column, owner))

    def _add(self, file: int, why: str, row: dict[str, object], column: str | None, rows: int | None) -> None:
        each = self._opened[file]
        symbol = row.get("symbol") or each.owner
        refusal = Refusal(each.file.name, why, int(str(row["line"])), column, rows=rows)
        self._found[file].append(replace(refusal, symbol=None if symbol is None else str(symbol)))


def _doubt_others(text: str, role: str) -> str | None:
    """Return why a cell without a number puts the other rows in doubt: their unit, or the order of their columns."""
    if names_scale(text) and not any(map(str.isdigit, text)):
        return explain_scale(text)
    named = find_role(text) if len(text.strip()) > 1 else None
    return f"expected one header, found the column {text[:40]!r} in a row" if named not in {None, role} else None


def _explain_cell(text: str, *, is_clear: bool) -> str:
    if is_clear:
        hint = "; if its comma is before the decimals, set decimal in files.toml" if has_decimal_comma(text) else ""
        return f"expected a number, found {text[:40]!r}{hint}"
    return (
        f"expected a clear number, found {text[:40]!r}: its comma or dot may separate thousands or decimals:"
        " set decimal in files.toml"
    )
