"""Bars of many symbols from J-Quants' bulk files, if that takes fewer requests than one for each symbol."""

import asyncio
import gzip
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from kaboom.errors import ProviderError, RateLimited
from kaboom.market.interval import Interval
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.jquants import query
from kaboom.providers.jquants.file_cache import BulkFile, JquantsShelf, parse_files, pick_files
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.parse import (
    DAILY_FIELDS,
    MINUTE_FIELDS,
    add_outcomes,
    expect_whole,
    make_days,
    make_minutes,
    parse_actions,
    parse_codes,
    traded,
)
from kaboom.providers.jquants.query import code_of
from kaboom.providers.rows import lengthen

#: The fewest requests that files need: one for the list, one for an address, and one for a file.
_FEWEST_QUESTIONS = 3
#: If files are not available, at most this many requests are made instead: about two minutes at 60 a minute. The
#: minutes of a market would need thousands.
_MOST_INSTEAD = 100

_log = structlog.get_logger(__name__)
_BLOCK_BYTES = 8 << 20
_HEADER_BYTES = 64 << 10
#: A month of minutes is about 500 MB; a larger file is not from J-Quants.
_MOST_BYTES = 4 << 30


class JquantsBulk:
    """Answers requests from bulk files, with the same bars and outcomes as single requests."""

    def __init__(
        self, source: JquantsSource, shelf: JquantsShelf, *, least_saved: int = 1, most_instead: int = _MOST_INSTEAD
    ) -> None:
        """Take the source, the files, how many requests files must save, and how many requests may replace them."""
        self._source = source
        self._shelf = shelf
        self._least_saved = least_saved
        self._most_instead = most_instead

    async def fetch_bars(self, request: BarRequest, questions: int) -> FetchedBars | None:
        """Return the bars of a request from files; None if the caller should make its `questions` single requests.

        It is None if files save too few requests. It is also None if files fail and single requests are few; that is
        logged.

        Raises:
            RateLimited: J-Quants asks for a pause.
            ProviderError: the files are not available, damaged or incomplete, and single requests are too many.

        """
        if questions - _FEWEST_QUESTIONS < self._least_saved:
            return None
        try:
            return await self._fetch(request, questions)
        except RateLimited:
            raise
        except ProviderError as e:
            if questions <= self._most_instead:
                _log.warning("bulk_files_left", provider="jquants", reason=e.message, questions=questions)
                return None
            raise ProviderError(
                f"{e.message}; without bulk files (JQUANTS_BULK) it takes {questions} requests, which are not made"
                " automatically",
                retryable=e.retryable,
                retry_after_s=e.retry_after_s,
            ) from e

    async def _fetch(self, request: BarRequest, questions: int) -> FetchedBars | None:
        is_daily = request.interval is Interval.D1
        path = query.DAILY if is_daily else query.MINUTES
        listed = await self._source.fetch_rows(query.ask_files(path, request.sessions[0], request.sessions[-1]))
        files = pick_files(parse_files(listed, path), request.sessions)
        if questions - 1 - sum(file.cost for file in files) < self._least_saved:
            return None
        rows = await self._read(files, DAILY_FIELDS if is_daily else MINUTE_FIELDS, request.symbols)
        return await (self._finish_days(request, rows) if is_daily else self._finish_minutes(request, rows))

    async def _read(
        self, files: Mapping[BulkFile, Sequence[date]], fields: Mapping[str, Any], symbols: Sequence[str]
    ) -> pl.DataFrame:
        codes, tables = [code_of(symbol) for symbol in symbols], []
        for file, days in files.items():
            place = await self._shelf.fetch(file)
            try:
                # In a thread: a month of minutes takes some seconds.
                table = await asyncio.to_thread(read_file, place, file, fields, days=days, codes=codes)
            except ProviderError as e:
                if e.retryable:
                    await self._shelf.drop(file)
                raise
            except OSError as e:
                raise ProviderError(f"jquants: bulk file {file.title} could not be read", retryable=True) from e
            if absent := set(days) - table.days:
                raise ProviderError(f"jquants: bulk file {file.title} has no row of {min(absent)}", retryable=True)
            tables.append(table.rows)
        return pl.concat(tables).sort("Date", maintain_order=True)

    async def _finish_days(self, request: BarRequest, table: pl.DataFrame) -> FetchedBars:
        rows = make_days(table, request.symbols)
        counts = dict(rows.group_by(pl.col("opened_at").dt.date()).len().rows())
        for session in request.sessions:
            expect_whole(session, "a bulk file", asked=len(request.symbols), found=counts.get(session, 0))
        # Whether files have rows of symbols that did not trade is not documented.
        listed = await self._find_listed(set(request.symbols) - set(rows["symbol"]), request.sessions[-1])
        actions = parse_actions(table.filter(pl.col("AdjFactor") != 1).to_dicts(), request.symbols)
        return replace(add_outcomes(request.symbols, rows, listed), actions=list(actions))

    async def _finish_minutes(self, request: BarRequest, table: pl.DataFrame) -> FetchedBars:
        minutes = await asyncio.to_thread(_by_symbol, table, request.symbols)
        brought = set(minutes["symbol"])
        # Minutes without trades have no row. The list of issues says which symbols were listed.
        listed = await self._find_listed(set(request.symbols) - brought, request.sessions[-1])
        day = pl.col("opened_at").dt.convert_time_zone("Asia/Tokyo").dt.date()
        counts = dict(minutes.group_by(day).agg(pl.col("symbol").n_unique()).rows())
        for session in request.sessions:
            expect_whole(session, "a bulk file", asked=len(brought | listed), found=counts.get(session, 0))
        finished = add_outcomes(request.symbols, minutes, listed)
        return await asyncio.to_thread(lengthen, finished, request.sessions, request.interval)

    async def _find_listed(self, symbols: set[str], session: date) -> set[str]:
        """Return the symbols that were listed on a session."""
        if not symbols:
            return set()
        codes = parse_codes(await self._source.fetch_rows(query.ask_master(session)), session)
        return {symbol for symbol in symbols if code_of(symbol) in codes}


def _by_symbol(table: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the minutes with trades by symbol, in the order of the request; files are ordered by session."""
    minutes = traded(make_minutes(table, symbols))
    return minutes.sort(pl.col("symbol").cast(pl.Enum(symbols)), maintain_order=True)


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
