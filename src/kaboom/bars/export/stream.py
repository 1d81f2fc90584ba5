"""Encoding a table part by part, with only one part in memory: Arrow and CSV directly, Parquet through a file."""

import asyncio
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from kaboom.bars.export.encode import UTC_FORMAT, encode_table, escape_formulas, sink_parquet
from kaboom.bars.export.formats import Format
from kaboom.drivers.handover import hand_over

#: Bytes of a file that are sent at once.
_PIECE = 256 * 1024
#: Each message of an Arrow stream begins with this mark and its length; the length 0 ends the stream.
_MARK = 0xFFFFFFFF
_END = struct.pack("<II", _MARK, 0)


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
