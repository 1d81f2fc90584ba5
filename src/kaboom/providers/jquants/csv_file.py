"""A bulk file of J-Quants to a table: read in blocks, so that a month of minutes needs little memory."""

import gzip
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from kaboom.errors import ProviderError
from kaboom.providers.jquants.files import BulkFile

_BLOCK_BYTES = 8 << 20
_HEADER_BYTES = 64 << 10
#: A month of minutes is about 500 MB; a larger file is not from J-Quants.
_MOST_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class FileTable:
    """The rows of some issues on some days, in the file's order, and all days for which the file has rows."""

    rows: pl.DataFrame
    days: frozenset[date]


def read_file(
    path: Path, file: BulkFile, schema: Mapping[str, Any], *, days: Collection[date], codes: Collection[str]
) -> FileTable:
    """Return the rows of some issues (five characters) and days in a gzipped CSV, in the columns of a schema; blocking.

    It is read to its end, so that damage anywhere in it is found. An empty field is null. Beside `Date` and `Code`
    there may be any columns, in any order.

    Raises:
        ProviderError: the gzip is damaged or cut short (retryable), a column is missing, a value has another type than
            documented, or a row is of a day that cannot be in the file.

    """
    wanted = pl.col("Date").is_in([day.isoformat() for day in days]) & pl.col("Code").is_in(list(codes))
    frames, seen = [pl.DataFrame(schema=dict.fromkeys(schema, pl.String()))], set[str | None]()
    try:
        with gzip.open(path, "rb") as packed:
            for table in _tables(packed, file, list(schema)):
                seen |= set(table["Date"].unique())
                frames.append(table.filter(wanted))
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        # gzip's message is short, and contains nothing but facts of the file.
        raise ProviderError(f"jquants: bulk file {file.title} is damaged: {e}", retryable=True) from e
    except pl.exceptions.PolarsError as e:
        raise _odd(file) from e
    return FileTable(_typed(pl.concat(frames), schema, file), _days(seen, file))


def _tables(packed: gzip.GzipFile, file: BulkFile, columns: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the columns as texts, a block of whole lines at a time."""
    names = packed.readline(_HEADER_BYTES).decode("utf-8-sig", "replace").strip().replace('"', "").split(",")
    if missing := set(columns) - set(names):
        raise ProviderError(f"jquants: bulk file {file.title} lacked {sorted(missing)}, it had {names[:20]}")
    if len(set(names)) < len(names):
        raise ProviderError(f"jquants: bulk file {file.title} had a column twice: {names[:20]}")
    header, rest, total = ",".join(names).encode() + b"\n", b"", 0
    while block := packed.read(_BLOCK_BYTES):
        total += len(block)
        if total > _MOST_BYTES:
            raise ProviderError(f"jquants: bulk file {file.title} was longer than {_MOST_BYTES:,} bytes, unpacked")
        lines, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield _read_lines(header, lines + newline, columns, file)
    if rest:
        yield _read_lines(header, rest + b"\n", columns, file)


def _read_lines(header: bytes, lines: bytes, columns: list[str], file: BulkFile) -> pl.DataFrame:
    # A CSV reader fills a short line with nulls, which would look like a day without trades.
    if lines.count(b",") != header.count(b",") * lines.count(b"\n"):
        raise _odd(file)
    return pl.read_csv(header + lines, columns=columns, infer_schema=False).select(columns)


def _typed(table: pl.DataFrame, schema: Mapping[str, Any], file: BulkFile) -> pl.DataFrame:
    try:
        typed = table.cast(pl.Schema(schema), strict=True)
    except pl.exceptions.PolarsError as e:
        raise _odd(file) from e
    numbers = [name for name, kind in schema.items() if kind.is_float()]
    # JSON has neither infinity nor "not a number".
    if typed.select(pl.any_horizontal((~pl.col(numbers).is_finite()).any())).item():
        raise _odd(file)
    return typed


def _days(seen: Collection[str | None], file: BulkFile) -> frozenset[date]:
    try:
        days = frozenset(date.fromisoformat(text or "") for text in seen)
    except ValueError as e:
        raise ProviderError(f"jquants: a Date in bulk file {file.title} was no YYYY-MM-DD", retryable=True) from e
    if others := [day for day in days if not file.first <= day <= file.last]:
        raise ProviderError(f"jquants: bulk file {file.title} had rows of {min(others)}", retryable=True)
    return days


def _odd(file: BulkFile) -> ProviderError:
    return ProviderError(f"jquants: bulk file {file.title} had a value of another type than documented", retryable=True)
