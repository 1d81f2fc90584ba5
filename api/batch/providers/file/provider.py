"""The file provider: bars from a directory, or one file, of the user's own data."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from batch.errors import ConfigurationError, ProviderError
from batch.market.action import CorporateAction
from batch.market.bar import RAW_BAR_SCHEMA
from batch.market.interval import Interval
from batch.market.outcome import Outcome, SymbolOutcome
from batch.market.universe import Market
from batch.providers.base import BarRequest, Capabilities, FetchedBars
from batch.providers.file.factors import find_actions
from batch.providers.file.limits import FileLimits
from batch.providers.file.names import symbol_of_path
from batch.providers.file.reading import SUFFIXES
from batch.providers.file.spec import SPEC
from batch.providers.file.tables import Facts, SourceFile, TableCache


@dataclass(slots=True)
class _Found:
    # What going through the files for some symbols brought
    frames: list[pl.DataFrame] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    errors: dict[str, ProviderError] = field(default_factory=dict)
    actions: list[CorporateAction] = field(default_factory=list)


class FileProvider:
    """A `BarProvider` over CSV, CSV.gz and Parquet files with the column names that exporters commonly use.

    A file has a column of symbols, or is of the one symbol that its name begins with; its interval is told
    from its stamps. Stamps without an offset are in `time_zone`, which also says to which session a bar
    belongs; daily bars are stamped 00:00 UTC of their local date. Rows come by file in the order of names,
    then as they stand in it. Nothing is dropped but empty lines: doubtful rows are for the quality checks.
    """

    def __init__(self, root: Path, *, time_zone: str = "Asia/Tokyo", limits: FileLimits | None = None) -> None:
        """Take a directory, searched with all below it, or one file, and the most that is read of a file.

        Raises:
            ConfigurationError: the time zone is unknown.

        """
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError) as e:
            raise ConfigurationError(
                f"time zone of files was {time_zone!r}, expected a name such as 'Asia/Tokyo'"
            ) from e
        self._root = root
        self._tables = TableCache(time_zone, limits or FileLimits())

    @property
    def name(self) -> str:
        """`"file"`."""
        return SPEC.name

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; which of the intervals there are is for the files to say."""
        return SPEC.capabilities

    async def fetch_universe(self, market: Market, _session: date) -> tuple[str, ...] | None:
        """Return all symbols of the files for market FILE, sorted; None for a section of the TSE.

        Raises:
            ProviderError: there are no files, or one cannot be parsed and does not say whose it is.

        """
        return await asyncio.to_thread(self._find_universe) if market is Market.FILE else None

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        """Return the last `count` dates up to `until` that bars of the interval have, oldest first.

        Raises:
            ProviderError: no file holds this interval, or none can be parsed.

        """
        return await asyncio.to_thread(self._find_sessions, interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the rows of a request.

        A symbol whose files cannot be parsed gets the outcome `provider_error`, which says where and why.

        Raises:
            ProviderError: there are no files, one that may hold any symbol cannot be parsed, or every
                requested symbol that there are files of failed so.

        """
        return await asyncio.to_thread(self._find_bars, request)

    async def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _find_universe(self) -> tuple[str, ...]:
        symbols: set[str] = set()
        for file in self._files():
            owner = self._owner(file)
            symbols |= {owner} if owner else self._tables.facts(file).symbols
        return tuple(sorted(symbols))

    def _find_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...]:
        sessions: set[date] = set()
        intervals: set[Interval] = set()
        errors: list[ProviderError] = []
        for file in self._files():
            try:
                facts = self._tables.facts(file)
            except ProviderError as e:
                # Its symbols will say so when their bars are fetched.
                errors.append(e)
                continue
            intervals |= {facts.interval} if facts.interval else set()
            sessions |= facts.sessions if facts.interval is interval else set()
        if not intervals and errors:
            raise errors[0]
        if interval not in intervals:
            raise ProviderError(f"interval was {interval}, the files in {self._root.name} hold {_listed(intervals)}")
        return tuple(sorted(day for day in sessions if day <= until)[-count:]) if count > 0 else ()

    def _find_bars(self, request: BarRequest) -> FetchedBars:
        wanted, found = frozenset(request.symbols), _Found()
        for file in self._files() if wanted else ():
            owner = self._owner(file)
            if owner is not None and owner not in wanted:
                continue
            try:
                self._collect(file, request, found)
            except ProviderError as e:
                if owner is None:
                    raise
                found.errors[owner] = e
        if found.errors and not found.frames and not found.known - found.errors.keys():
            raise next(iter(found.errors.values()))
        empty = pl.DataFrame(schema=RAW_BAR_SCHEMA)
        bars = pl.concat(found.frames) if found.frames else empty
        return FetchedBars(bars, _outcomes(request, bars, found), found.actions)

    def _collect(self, file: SourceFile, request: BarRequest, found: _Found) -> None:
        facts = self._tables.facts(file)
        symbols = facts.symbols & frozenset(request.symbols)
        found.known |= symbols
        if _overlaps(facts, request) and symbols:
            rows = self._tables.rows(file)
            asked = pl.col("symbol").is_in(sorted(symbols)) & pl.col("session").is_in(list(request.sessions))
            taken = rows.filter(asked)
            found.actions += find_actions(taken, file.path)
            found.frames.append(taken.select(RAW_BAR_SCHEMA.names()))

    def _owner(self, file: SourceFile) -> str | None:
        # Return the symbol that a file's name stands for, None if its rows name theirs
        try:
            if self._tables.layout(file).has_symbols:
                return None
        except ProviderError:
            pass  # its symbol says so when its bars are fetched
        return symbol_of_path(file.path)

    def _files(self) -> Iterator[SourceFile]:
        if self._root.is_dir():
            paths: Sequence[Path] = sorted(p for p in self._root.rglob("*") if p.is_file() and _is_data(p))
        else:
            paths = [self._root] if self._root.is_file() and _is_data(self._root) else []
        if not paths:
            state = "holds none" if self._root.exists() else "does not exist"
            raise ProviderError(f"expected files ending in {', '.join(SUFFIXES)} in {self._root.name}, which {state}")
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                info = path.stat()
                yield SourceFile(path, info.st_mtime_ns, info.st_size)


def _is_data(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def _overlaps(facts: Facts, request: BarRequest) -> bool:
    return facts.interval is request.interval and not facts.sessions.isdisjoint(request.sessions)


def _outcomes(request: BarRequest, bars: pl.DataFrame, found: _Found) -> dict[str, SymbolOutcome]:
    # Return a word on each symbol that brought no rows, or not all: one of its files may have failed
    brought = set(bars["symbol"].unique())
    outcomes: dict[str, SymbolOutcome] = {}
    for symbol in request.symbols:
        if symbol in found.errors:
            outcomes[symbol] = SymbolOutcome(symbol, Outcome.PROVIDER_ERROR, message=found.errors[symbol].message)
        elif symbol not in found.known:
            outcomes[symbol] = SymbolOutcome(symbol, Outcome.NOT_LISTED, message="no file holds it")
        elif symbol not in brought:
            outcomes[symbol] = SymbolOutcome(symbol, Outcome.NO_TRADES)
    return outcomes


def _listed(intervals: set[Interval]) -> str:
    return ", ".join(sorted(intervals)) or "no rows"
