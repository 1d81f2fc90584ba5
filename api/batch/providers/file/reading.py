"""Columns out of a file's bytes: CSV, gzipped CSV, Parquet."""

import contextlib
import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from batch.providers.file.errors import refuse_file
from batch.providers.file.layout import Layout, Role, parse_layout
from batch.providers.file.limits import DAMAGED, FileLimits

#: The endings of files that the provider looks at.
SUFFIXES = (".csv", ".csv.gz", ".parquet")

# Excel in Japan saves CSV as CP932.
_ENCODINGS = ("utf-8-sig", "cp932")
_SEPARATORS = ",;\t"


def read_layout(path: Path, limits: FileLimits) -> Layout:
    """Return the layout of a file, reading no more than its header.

    Raises:
        ProviderError: the file cannot be read, or lacks a column.

    """
    try:
        if path.suffix.lower() == ".parquet":
            return parse_layout(list(pl.read_parquet_schema(path)), path)
        header = _decode(limits.read_header(path), path).rstrip("\r\n")
        return parse_layout(next(csv.reader([header], delimiter=_separator(header)), []), path)
    except (*DAMAGED, csv.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException) as e:
        raise _unreadable(path, e) from e


def read_columns(path: Path, layout: Layout, roles: Sequence[Role], limits: FileLimits) -> pl.DataFrame:
    """Return some columns of a file under the names of their roles, one row per row of the file.

    CSV cells are text, an empty one is null; an empty line is a row of nulls, so that row n is line n + 2.

    Raises:
        ProviderError: the file cannot be read, or is larger than is read of one.

    """
    numbers = {role: layout.columns[role] for role in roles if role in layout.columns}
    try:
        if path.suffix.lower() == ".parquet":
            names = list(pl.read_parquet_schema(path))
            limits.check_table(path, pl.scan_parquet(path).select(pl.len()).collect().item(), len(numbers))
            frame = pl.read_parquet(path, columns=[names[n] for n in numbers.values()])
            return frame.select(pl.col(names[n]).alias(role.value) for role, n in numbers.items())
        content = _to_utf8(limits.read_csv(path), path)
    except (*DAMAGED, pl.exceptions.PolarsError, pl.exceptions.PanicException) as e:
        raise _unreadable(path, e) from e
    try:
        return _parse_csv(content, layout, numbers)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as e:
        raise _locate(path, content, layout, e) from e


def _parse_csv(content: bytes, layout: Layout, numbers: dict[Role, int]) -> pl.DataFrame:
    frame = pl.read_csv(
        content,
        has_header=False,
        skip_rows=1,
        schema={f"column_{n + 1}": pl.String() for n in range(layout.width)},
        columns=[f"column_{n + 1}" for n in sorted(set(numbers.values()))],
        separator=_separator(content.partition(b"\n")[0].decode()),
    )
    return frame.select(pl.col(f"column_{n + 1}").alias(role.value) for role, n in numbers.items())


def _to_utf8(content: bytearray, path: Path) -> bytes:
    if not content.isascii():
        return _decode(content, path).encode()
    return bytes(content)


def _decode(content: bytes | bytearray, path: Path) -> str:
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise refuse_file(path, f"expected text in {' or '.join(_ENCODINGS)}, found other bytes")


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


def _locate(path: Path, content: bytes, layout: Layout, error: BaseException) -> Exception:
    # Polars does not say where; only a broken file pays for the second look.
    text = content.decode()
    rows = csv.reader(io.StringIO(text), delimiter=_separator(text.partition("\n")[0]))
    with contextlib.suppress(csv.Error):
        for row in itertools.islice(rows, 1, None):
            if len(row) > layout.width:
                why = f"expected {layout.width} fields as in the header, found {len(row)}"
                return refuse_file(path, why, line=rows.line_num)
    return _unreadable(path, error)


def _unreadable(path: Path, error: BaseException) -> Exception:
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return refuse_file(path, f"expected a readable {path.suffix.lstrip('.')} file, found: {why[:200]}")
