"""Columns out of the bytes of files: CSV, gzipped CSV, Parquet; files of one layout are read as one."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from kaboom.errors import InvalidRequest
from kaboom.market.symbol import is_tse_code
from kaboom.providers.file.errors import FileRefused, Refusal
from kaboom.providers.file.folder import DAMAGED, FileLimits, SourceFile
from kaboom.providers.file.names import NameRules, find_titled
from kaboom.providers.file.packed import XLSX
from kaboom.providers.file.recognise.header import LONE, find_layout, find_table_layout, is_panel, join_panels
from kaboom.providers.file.recognise.layout import PRICES, Block, Layout, Role, find_missing
from kaboom.providers.file.recognise.text import drop_short, to_utf8

_POLARS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
#: Broken lines of one file that are named.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose header was read.

    Attributes:
        file: the file.
        layout: the roles of its columns.
        encoding: the name of its encoding.
        owner: the symbol in its name; None if its rows have symbols.
        named: the TSE code that is its name although its rows have symbols.
        year: the year or the month that its name may say instead of a symbol.

    """

    file: SourceFile
    layout: Layout
    encoding: str
    owner: str | None
    named: str | None = None
    year: str | None = None
    panels: tuple["OpenedFile", ...] = ()


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some files of one layout, under the names of their roles, with `row`, `file` and `line`.

    `file` is the number of the file. CSV cells are text, an empty one is null. `broken` are the lines of the only file
    that are not rows, which have no cells, and `refusals` say so of the first ones.
    """

    frame: pl.DataFrame
    refusals: Sequence[Refusal]
    broken: Sequence[int] = ()


class Uneven(Exception):
    """Some files cannot be read as one: a line is broken, or a cell holds a line's end."""


def open_file(file: SourceFile, limits: FileLimits, rules: NameRules) -> OpenedFile:
    """Return the layout and the symbol of a file, reading only its first lines.

    Raises:
        FileRefused: the file cannot be read, lacks a column, or has a symbol neither in its rows nor in its name.

    """
    if file.fields:
        return _open_panels(file, limits)
    try:
        layout, encoding = _read_layout(file, limits)
    except (*DAMAGED, csv.Error, *_POLARS) as e:
        raise _unreadable(file, e) from e
    except InvalidRequest as e:
        raise FileRefused(file.path, e.message, line=1) from e
    if is_panel(layout):
        raise FileRefused(file.path, LONE, line=layout.first_line - 1)
    if missing := find_missing(layout):
        found = ", ".join(layout.header)[:120]
        line = layout.first_line - 1
        if not layout.columns and sum(map(_is_price, layout.header)) >= len(PRICES):
            why = "expected a header such as Date,Time,Open,High,Low,Close,Volume above the rows, found none"
            raise FileRefused(file.path, why, line=max(1, line))
        raise FileRefused(file.path, f"expected a column {', '.join(missing)}, found only {found!r}", line=max(1, line))
    if layout.repeated:
        line = max(1, layout.first_line - 1)
        raise FileRefused(file.path, f"expected one column {layout.repeated[0]!r}, found several", line=line)
    if layout.has_symbols:
        named = find_owner(file, rules)
        return OpenedFile(file, layout, encoding, None, named if named and is_tse_code(named) else None)
    try:
        owner = rules.find(file.name)
    except InvalidRequest as e:
        raise FileRefused(file.path, e.message) from e
    _check_titles(file, layout, owner)
    return OpenedFile(file, layout, encoding, owner, year=rules.find_year(file.name))


def _check_titles(file: SourceFile, layout: Layout, owner: str) -> None:
    """Refuse a file whose name is a TSE code, and whose lines above the header say another one."""
    codes = [(code, line) for line, title in enumerate(layout.titles, 1) for code in sorted(find_titled(title))]
    if codes and is_tse_code(owner) and all(code != owner for code, _ in codes):
        (code, line), *_ = codes
        raise FileRefused(file.path, f"expected symbol {owner} as in the name of the file, found {code}", line=line)


def _is_price(cell: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell.strip()) is not None


def _open_panels(file: SourceFile, limits: FileLimits) -> OpenedFile:
    """Return a file of closing prices and those of the other prices as one file, whose lines are those of each."""
    opened: dict[Role, OpenedFile] = {}
    for each in (replace(file, fields=()), *file.fields):
        try:
            layout, encoding = _read_layout(each, limits)
        except (*DAMAGED, csv.Error, *_POLARS) as e:
            raise _unreadable(each, e) from e
        except InvalidRequest as e:
            raise FileRefused(file.path, f"{each.name.rpartition('/')[2]}: {e.message}") from e
        role = Role(each.name.rpartition("/")[2].partition(".")[0].lower())
        opened[role] = OpenedFile(each, layout, encoding, None)
    try:
        layout = join_panels({role: each.layout for role, each in opened.items()})
    except InvalidRequest as e:
        raise FileRefused(file.path, e.message, line=1) from e
    panels = tuple(opened.values())
    return OpenedFile(file, layout, panels[0].encoding, None, panels=panels)


def find_owner(file: SourceFile, rules: NameRules) -> str | None:
    """Return the symbol of a file by its name alone; None if the name has none."""
    try:
        return rules.find(file.name)
    except InvalidRequest:
        return None


def read_tables(opened: Sequence[OpenedFile], limits: FileLimits) -> Cells:
    """Return the cells of some CSV files of one layout, or of one Parquet file.

    Raises:
        FileRefused: the only file cannot be read, or is too large.
        Uneven: there are several, and they cannot be read as one.

    """
    try:
        if opened[0].file.suffix == ".parquet":
            return _read_parquet(opened[0], limits)
        if opened[0].panels:
            return _read_panels(opened[0], limits)
        return _read_texts(opened, limits)
    except (*DAMAGED, *_POLARS, FileRefused) as e:
        if len(opened) > 1:
            raise Uneven from e
        if isinstance(e, FileRefused):
            raise
        raise _unreadable(opened[0].file, e) from e


def _read_layout(file: SourceFile, limits: FileLimits) -> tuple[Layout, str]:
    if file.suffix == ".parquet":
        return find_table_layout(list(pl.read_parquet_schema(file.path))), "Parquet"
    content, is_cut = limits.read_head(file)
    text, encoding = to_utf8(content, file.path, is_cut=is_cut)
    if not text.strip():
        raise FileRefused(file.path, "expected a header and rows, found an empty file", line=1)
    return find_layout(text.decode()), "Excel" if file.suffix == XLSX else encoding


def _read_parquet(opened: OpenedFile, limits: FileLimits) -> Cells:
    path, blocks = opened.file.path, opened.layout.blocks
    schema = pl.read_parquet_schema(path)
    names = list(schema)
    wanted = [names[n] for n in sorted({number for block in blocks for _, number in block.columns})]
    if nested := next((name for name in wanted if schema[name].is_nested()), None):
        # A list that is the same in every row takes a few bytes in the file.
        raise FileRefused(path, f"expected a value in each cell, found lists in column {nested}")
    limits.check_table(opened.file, pl.scan_parquet(path).select(pl.len()).collect().item(), len(wanted))
    frame = pl.read_parquet(path, columns=wanted)
    limits.check_texts(opened.file, sum(map(_count_bytes, frame.iter_columns())))
    return Cells(_by_block(frame, blocks, names, opened.layout.first_line, [frame.height]), ())


def _count_bytes(column: pl.Series) -> int:
    """Return the bytes of the texts of a column, each counted as often as it is repeated."""
    match column.dtype:
        case pl.String:
            sizes = column.str.len_bytes()
        case pl.Categorical() | pl.Enum():
            sizes = column.cat.len_bytes()
        case pl.Binary:
            sizes = column.bin.size()
        case _:
            return 0
    return int(sizes.cast(pl.UInt64).sum())


def _read_texts(opened: Sequence[OpenedFile], limits: FileLimits) -> Cells:
    layout = opened[0].layout
    bodies = [_read_body(each, limits) for each in opened]
    counts = [body.count(b"\n") for body in bodies]
    whole = b"".join(bodies) if len(bodies) > 1 else bodies[0]
    names = [f"column_{n + 1}" for n in range(len(layout.header))]
    wanted = sorted({number for block in layout.blocks for _, number in block.columns})
    for each, count in zip(opened, counts, strict=True):
        limits.check_cells(each.file, count, len(wanted))
    refusals: list[Refusal] = []
    broken: list[int] = []
    starts: Sequence[int] = ()
    try:
        frame = _parse(whole, layout, wanted)
    except _POLARS:
        if len(opened) > 1:
            raise
        whole = _drop_broken(whole, opened[0], refusals, broken)
        # With a first line of all columns, polars takes a shorter one after it.
        frame = _parse(b"".join((layout.separator.join(names).encode(), b"\n", whole)), layout, wanted, skipped=1)
    if frame.height != sum(counts):
        if len(opened) > 1:
            raise Uneven
        counts = [frame.height]
        starts = _find_starts(whole, layout)
    else:
        file = Refusal(opened[0].file.name, "", symbol=opened[0].owner)
        frame, short, lines = drop_short(frame, whole, layout, file)
        if short and len(opened) > 1:
            raise Uneven
        refusals += short
        broken += lines
    cells = _by_block(frame, layout.blocks, names, layout.first_line, counts)
    if len(starts) == frame.height:
        cells = cells.with_columns(line=pl.lit(pl.Series(starts)).gather(pl.col("line") - layout.first_line))
    return Cells(cells, refusals, broken)


def _read_panels(opened: OpenedFile, limits: FileLimits) -> Cells:
    """Return the cells of panels side by side; a symbol without any value on a day has no bar on it."""
    frames: list[pl.DataFrame] = []
    for each in opened.panels:
        body = _read_body(each, limits)
        limits.check_cells(opened.file, body.count(b"\n"), len(each.layout.header) * len(opened.panels))
        frame = _parse(body, each.layout, range(len(each.layout.header)))
        dates, expected = frame.to_series(0), frames[0].to_series(0) if frames else frame.to_series(0)
        if len(dates) != len(expected) or (dates.ne_missing(expected)).any():
            name, first = each.file.name.rpartition("/")[2], opened.file.path
            raise FileRefused(first, f"expected the same days in the same lines, found others in {name}")
        frames.append(frame)
    columns = [column for frame in frames for column in frame.iter_columns()]
    blocks, height = opened.layout.blocks, frames[0].height
    owners = pl.Series([block.symbol for block in blocks]).gather(_repeat([height] * len(blocks)))
    roles = {role.value: [dict(block.columns)[role] for block in blocks] for role, _ in blocks[0].columns}
    parts = {role: pl.concat([columns[n] for n in numbers]) for role, numbers in roles.items()}
    frame = pl.DataFrame({**parts, "symbol": owners}).with_row_index("row")
    frame = frame.with_columns(
        file=pl.lit(0, dtype=pl.UInt32), line=pl.col("row").cast(pl.Int64) % height + opened.layout.first_line
    )
    values = [role for role in parts if role != Role.DATE.value]
    return Cells(frame.filter(~pl.all_horizontal(pl.col(values).is_null())), ())


def _read_body(opened: OpenedFile, limits: FileLimits) -> bytes:
    text, _ = to_utf8(limits.read_csv(opened.file), opened.file.path)
    start = 0
    for _ in range(opened.layout.first_line - 1):
        end = text.find(b"\n", start)
        start = end + 1 if end >= 0 else len(text)
    body = text[start:]
    return body if not body or body.endswith(b"\n") else body + b"\n"


def _parse(body: bytes, layout: Layout, wanted: Sequence[int], *, skipped: int = 0) -> pl.DataFrame:
    schema = {f"column_{n + 1}": pl.String() for n in range(len(layout.header))}
    if not body:
        return pl.DataFrame(schema={f"column_{n + 1}": pl.String() for n in wanted})
    columns = [f"column_{n + 1}" for n in wanted]
    frame = pl.read_csv(body, has_header=False, schema=schema, columns=columns, separator=layout.separator)
    return frame.slice(skipped)


def _by_block(
    frame: pl.DataFrame, blocks: Sequence[Block], names: Sequence[str], first_line: int, counts: Sequence[int]
) -> pl.DataFrame:
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    files = pl.Series("file", range(len(counts)), dtype=pl.UInt32).gather(_repeat(counts))
    starts = pl.Series([0, *counts[:-1]], dtype=pl.Int64).cum_sum().gather(_repeat(counts))
    numbered = frame.with_columns(files, line=place - starts + first_line)
    parts = [
        numbered.select(
            *(pl.col(names[n]).alias(role.value) for role, n in block.columns),
            *([pl.lit(block.symbol).alias("symbol")] if block.symbol else []),
            "file",
            "line",
        )
        for block in blocks
    ]
    return pl.concat(parts, how="diagonal").with_row_index("row")


def _find_starts(body: bytes, layout: Layout) -> list[int]:
    """Return the line at which each row begins, in a text some of whose cells have several lines; [] if unknown."""
    rows = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=layout.separator)
    starts, line = [], layout.first_line
    try:
        for _ in rows:
            starts.append(line)
            line = layout.first_line + rows.line_num
    except csv.Error:  # a cell of more than 128 kB
        return []
    return starts


def _repeat(counts: Sequence[int]) -> pl.Series:
    import numpy as np  # noqa: PLC0415  only here

    return pl.Series(np.repeat(np.arange(len(counts)), counts))


def _drop_broken(body: bytes, opened: OpenedFile, refusals: list[Refusal], broken: list[int]) -> bytes:
    """Return a text with empty lines in place of those with too many fields; polars does not say where they are."""
    layout, text = opened.layout, body.decode()
    width, kept = len(layout.header), text.split("\n")
    rows = csv.reader(io.StringIO(text), delimiter=layout.separator)
    begin = last = 0
    for row in rows:
        if len(row) > width:
            kept[begin : rows.line_num] = [""] * (rows.line_num - begin)
            broken.append(begin + layout.first_line)
            if len(broken) <= _MOST_NAMED:
                why = f"expected {width} fields as in the header, found {len(row)}"
                refusals.append(Refusal(opened.file.name, why, broken[-1], symbol=opened.owner, rows=1))
        last, begin = begin, rows.line_num
    if sum(line.count('"') for line in kept[last:begin]) % 2:
        why, line = "expected a second quotation mark, found the end of the file", last + layout.first_line
        refusals.append(Refusal(opened.file.name, why, line, symbol=opened.owner, rows=begin - last))
        broken += range(line, begin + layout.first_line)
        kept[last:begin] = [""] * (begin - last)
    return "\n".join(kept).encode()


def _unreadable(file: SourceFile, error: BaseException) -> FileRefused:
    kind = ".zip" if file.member else file.suffix
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return FileRefused(file.path, f"expected a readable {kind.lstrip('.')} file, found: {why[:200]}")
