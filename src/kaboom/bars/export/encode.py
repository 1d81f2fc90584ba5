"""Encoding tables of bars as JSON, CSV, Arrow or Parquet, whole or part by part, and a digest of their content."""

import asyncio
import hashlib
import io
import re
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Buffer, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import override

import polars as pl
from polars.io.plugins import register_io_source

from kaboom.bars.export.formats import Format
from kaboom.drivers.handover import hand_over
from kaboom.drivers.printable import FORMULA_STARTS

#: Times are UTC, in whole seconds.
UTC_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
DAY_FORMAT = "%Y-%m-%d"
#: The first characters that get an apostrophe before them: those of a formula, a line feed and an apostrophe.
_FORMULA = f"^[\n'{re.escape(FORMULA_STARTS)}]"
#: Rows of a Parquet row group, about 300 symbols of a session; a reader of one symbol skips the other groups.
_ROW_GROUP = 100_000
#: Rows encoded to JSON at once, about 250 kB: larger pieces take twice as long, for buffers that grow.
_JSON_ROWS = 2_000
#: Bytes of a file that are sent at once.
_PIECE = 256 * 1024
#: Each message of an Arrow stream begins with this mark and its length; the length 0 ends the stream.
_MARK = 0xFFFFFFFF
_END = struct.pack("<II", _MARK, 0)


def encode_table(table: pl.DataFrame, form: Format) -> list[bytes | memoryview]:
    """Return a table in a format, in pieces; JSON is a list of objects. Equal tables give equal bytes.

    Call it in a thread: it takes about 0.3 µs of CPU a row.
    """
    if form is Format.JSON:
        texts = table.with_columns(_to_iso(column) for column in table if column.dtype.is_temporal())
        return list(_encode_json(texts))
    out = _Pieces()
    if form is Format.CSV:
        escape_formulas(table).write_csv(out, datetime_format=UTC_FORMAT)
    elif form is Format.ARROW:
        # Without string views, which older readers do not know.
        table.write_ipc_stream(out, compat_level=pl.CompatLevel.oldest())
    else:
        table.write_parquet(out, compression="zstd")
    return out.written


def escape_formulas[T: (pl.DataFrame, pl.LazyFrame)](table: T) -> T:
    """Return a table for a CSV in which spreadsheets read no text as a formula.

    A text that starts like a formula, or with an apostrophe, gets an apostrophe before it; removing one restores it.
    """
    texts = [pl.col(name) for name, kind in table.collect_schema().items() if kind == pl.String()]
    return table.with_columns(
        pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text).name.keep() for text in texts
    )


def sink_parquet(rows: pl.LazyFrame, path: Path) -> None:
    """Write rows to a Parquet file, as they come."""
    rows.sink_parquet(path, compression="zstd", row_group_size=_ROW_GROUP)


class _Pieces(io.BytesIO):
    """Keeps the pieces as they are written, without joining them."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes | memoryview] = []

    @override
    def write(self, b: Buffer, /) -> int:
        self.written.append(bytes(b))
        return len(self.written[-1])


def label_rows(table: pl.DataFrame, labels: Mapping[str, str]) -> pl.DataFrame:
    """Return a table with a constant column for each label before its own columns."""
    return table.select(*(pl.lit(value).alias(name) for name, value in labels.items()), pl.all())


def digest_table(table: pl.DataFrame) -> bytes:
    """Return 32 bytes that change with the columns, types or values of a table, and with the version of polars."""
    seen = hashlib.sha256(f"{pl.__version__} {table.schema}".encode())
    if table.height:
        # A fast hash of 64 bits a row: an ETag detects changes, not forgery.
        seen.update(table.hash_rows().to_numpy().tobytes())
    return seen.digest()


def _encode_json(texts: pl.DataFrame) -> Iterator[bytes | memoryview]:
    # By polars, a quarter of the time of orjson over dictionaries.
    for first in range(0, max(texts.height, 1), _JSON_ROWS):
        out = io.BytesIO()
        texts.slice(first, _JSON_ROWS).write_json(out)
        piece = out.getbuffer()
        # Join the lists of the slices.
        piece[:1] = b"," if first else b"["
        yield piece[:-1]
    yield b"]"


def _to_iso(times: pl.Series) -> pl.Series:
    """Return times as text; each distinct time is formatted once if there are few."""
    form = UTC_FORMAT if times.dtype == pl.Datetime else DAY_FORMAT
    distinct = times.unique()
    if len(distinct) > len(times) // 2:
        return times.dt.strftime(form)
    return times.replace_strict(distinct, distinct.dt.strftime(form))


async def stream_table(
    parts: AsyncGenerator[pl.DataFrame], schema: pl.Schema, form: Format
) -> AsyncIterator[bytes | memoryview]:
    """Yield the bytes of a table whose rows come in parts, in Arrow, CSV or Parquet; without parts it has no rows.

    Raises:
        StoreError: reading a part failed.

    """
    if form is Format.PARQUET:
        async for read in _by_file(parts, schema):
            yield read
        return
    encode = _arrow if form is Format.ARROW else _csv
    is_first = True
    async for part in parts:
        for piece in await asyncio.to_thread(encode, part, is_first=is_first):
            yield piece
        is_first = False
    if is_first:
        for piece in encode(pl.DataFrame(schema=schema), is_first=True):
            yield piece
    if form is Format.ARROW:
        yield _END


def _csv(part: pl.DataFrame, *, is_first: bool) -> list[bytes | memoryview]:
    return [escape_formulas(part).write_csv(include_header=is_first, datetime_format=UTC_FORMAT).encode()]


def _arrow(part: pl.DataFrame, *, is_first: bool) -> list[bytes | memoryview]:
    """Return the messages of a part, without the end of the stream; only the first part contains the schema."""
    whole = memoryview(b"".join(encode_table(part, Format.ARROW)))
    mark, length = struct.unpack_from("<II", whole)
    if mark != _MARK or whole[-len(_END) :] != _END:
        raise AssertionError("polars wrote another Arrow stream than the format's 1.0")
    start = 0 if is_first else 2 * 4 + length
    return [whole[start : -len(_END)]]


async def _by_file(parts: AsyncGenerator[pl.DataFrame], schema: pl.Schema) -> AsyncIterator[bytes]:
    """Yield a Parquet file, which is written to the disk as a whole first."""
    with tempfile.TemporaryDirectory(prefix="kaboom-bars-", ignore_cleanup_errors=True) as name:
        whole = Path(name) / "whole"
        await hand_over(parts, partial(_write, schema, whole))
        for piece in _read(whole):
            yield piece


def _write(schema: pl.Schema, whole: Path, parts: Iterator[pl.DataFrame]) -> None:
    sink_parquet(register_io_source(lambda *_: parts, schema=schema), whole)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
