"""The file provider: bars from a directory, or one file, of the user's own data."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from kaboom.errors import ConfigurationError, ProviderError
from kaboom.market.action import CorporateAction
from kaboom.market.bar import PLACE_SCHEMA, RAW_BAR_SCHEMA
from kaboom.market.calendar import is_session
from kaboom.market.indices import is_of_tokyo
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.market.symbol import is_tse_code
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.folder import FileLimits, SourceFile, list_files
from kaboom.providers.file.names import NameRules
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.numbers import NumberRules
from kaboom.providers.file.rules import is_zone
from kaboom.providers.file.sheet import Facts, Sheet
from kaboom.providers.file.spec import SPEC, FileSettings
from kaboom.providers.file.tables import TableCache
from kaboom.providers.file.times import TimeRules
from kaboom.providers.limiter.rate_limiter import limit_calls
from kaboom.providers.spec import ProviderParts


@dataclass(frozen=True, slots=True)
class FileRules:
    """How files are read: their times, their numbers, the symbols of their names, and how much of each."""

    times: TimeRules = field(default_factory=TimeRules)
    numbers: NumberRules = field(default_factory=NumberRules)
    names: NameRules = field(default_factory=NameRules)
    limits: FileLimits = field(default_factory=FileLimits)


class FileProvider:
    """A `BarProvider` over CSV, Excel and Parquet files, with the column names that exporters commonly use.

    A file has its symbols in a column or in its header, or its one symbol in its name; the interval is found from its
    stamps. Daily bars are stamped 00:00 UTC of their local date. Rows are sorted by the name of the file, then by line.
    A part that cannot be read is refused by file and line, and other rows are used; the quality checks handle doubtful
    rows.
    """

    name = SPEC.name
    capabilities = SPEC.capabilities

    def __init__(self, root: Path, rules: FileRules | None = None, *, time_zone: str | None = None) -> None:
        """Take a directory, searched with all below it, or one file, and how they are read.

        Raises:
            ConfigurationError: the time zone is unknown.

        """
        rules = rules or FileRules(TimeRules(time_zone))
        self._root = root
        self._tables = TableCache(_check_zone(rules.times), rules.numbers, rules.names, rules.limits)

    async def fetch_universe(self, market: Market, _session: date) -> tuple[str, ...] | None:
        """Return the symbols of the files, sorted: all for market FILE, for INDEX those of indices; None for a section.

        Raises:
            ProviderError: there are no files, or no file has a symbol.

        """
        if market.is_section:
            return None
        found = await asyncio.to_thread(self._find_universe)
        return tuple(filter(is_of_tokyo, found)) if market is Market.INDEX else found

    async def fetch_left_out(self) -> Sequence[str]:
        return await asyncio.to_thread(self._find_left_out)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        return await asyncio.to_thread(self._find_sessions, interval, count, until)

    async def fetch_days(self, symbols: Collection[str] = ()) -> Mapping[Interval, Mapping[date, int]]:
        return await asyncio.to_thread(self._find_days, frozenset(symbols))

    async def fetch_names(self) -> Mapping[str, str]:
        return await asyncio.to_thread(self._find_names)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the rows of a request.

        If a part of a symbol's files cannot be read, its outcome is `invalid`, with the place and the reason, and the
        readable rows are returned. A symbol that no file has on these days is `not_listed`.

        Raises:
            ProviderError: there are no files.

        """
        return await asyncio.to_thread(self._find_bars, request)

    def describe(self) -> list[tuple[SourceFile, OpenedFile | Refusal, Facts]]:
        """Return every file with its layout and its facts, in the order of names, and folders that are refused.

        Raises:
            ProviderError: there are no files.

        """
        listing = list_files(self._root)
        facts = self._tables.facts(listing.files)
        found = [(file, self._tables.open(file), each) for file, each in zip(listing.files, facts, strict=True)]
        lost = [(SourceFile(self._root / r.file, r.file, 0, 0), r, Facts(refusals=(r,))) for r in listing.refusals]
        return [*found, *lost]

    async def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _find_universe(self) -> tuple[str, ...]:
        listing, symbols, unnamed = list_files(self._root), set[str](), list[SourceFile]()
        refusals = list(listing.refusals)
        for file in listing.files:
            opened = self._tables.open(file)
            if isinstance(opened, Refusal):
                refusals.append(opened)
                symbols |= {opened.symbol} if opened.symbol else set()
            elif opened.owner:
                symbols.add(opened.owner)
            else:
                unnamed.append(file)
        for facts in self._tables.facts(unnamed):
            refusals += facts.refusals
            symbols |= facts.spans.keys() | {r.symbol for r in facts.refusals if r.symbol}
        if not symbols and refusals:
            raise ProviderError(_join(refusals), retryable=False)
        return tuple(sorted(symbols))

    def _find_left_out(self) -> Sequence[str]:
        found = self.describe()
        refused = [refusal.message for _, _, facts in found for refusal in facts.refusals if refusal.symbol is None]
        return (*refused, *(f"{file.name}: {note}" for file, _, facts in found for note in facts.notes))

    def _find_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...]:
        held = self._find_days()
        if interval not in held:
            facts = self._tables.facts(list_files(self._root).files)
            refusals = [refusal for each in facts for refusal in each.refusals]
            why = f": {_join(refusals)}" if refusals and not held else ""
            names = ", ".join(sorted(held)) or "no rows"
            raise ProviderError(
                f"interval was {interval}, the files in {self._root.name} hold {names}{why}", retryable=False
            )
        return tuple(day for day in held[interval] if day <= until)[-count:] if count > 0 else ()

    def _find_days(self, symbols: frozenset[str] = frozenset()) -> Mapping[Interval, Mapping[date, int]]:
        found: dict[Interval, Counter[date]] = defaultdict(Counter)
        for sheet, numbers in self._tables.sheets(list_files(self._root).files):
            is_asked = pl.col("symbol").is_in(sorted(symbols)) if symbols else pl.lit(value=True)
            counts = sheet.rows.filter(is_asked).group_by("file", "session").len()
            for file, session, count in counts.filter(pl.col("file").is_in(numbers)).rows():
                if interval := sheet.facts[file].interval:
                    found[interval][session] += count
        return {interval: dict(sorted(days.items())) for interval, days in found.items()}

    def _find_names(self) -> Mapping[str, str]:
        facts = self._tables.facts(list_files(self._root).files)
        return {symbol: name for each in facts for symbol, name in each.names.items()}

    def _find_bars(self, request: BarRequest) -> FetchedBars:
        wanted = frozenset(request.symbols)
        files = [file for file in list_files(self._root).files if self._may_hold(file, wanted)] if wanted else []
        facts = self._tables.facts(files)
        held = [file for file, each in zip(files, facts, strict=True) if each.interval is request.interval]
        frames: list[pl.DataFrame] = []
        actions: list[CorporateAction] = []
        lost: list[pl.DataFrame] = []
        # A file without bars may be of any interval.
        without = [file for file, each in zip(files, facts, strict=True) if each.interval is None and each.refusals]
        for sheet, numbers in self._tables.sheets([*held, *without]):
            asked = pl.col("symbol").is_in(sorted(wanted)) & pl.col("session").is_in(list(request.sessions))
            names = pl.lit(pl.Series([opened.file.name for opened in sheet.opened]))
            rows = sheet.rows.filter(asked & pl.col("file").is_in(numbers))
            frames.append(rows.with_columns(file=names.gather(pl.col("file"))).select(*RAW_BAR_SCHEMA, *PLACE_SCHEMA))
            days = set(request.sessions)
            actions += [a for a in sheet.actions if a.symbol in wanted and a.ex_session in days]
            lost.append(_find_lost(sheet, numbers, wanted, days))
        bars = pl.concat(frames) if frames else pl.DataFrame(schema={**RAW_BAR_SCHEMA, **PLACE_SCHEMA})
        outcomes = find_outcomes(request, frozenset(bars["symbol"].unique()), facts)
        return FetchedBars(bars, outcomes, actions, pl.concat(lost) if lost else None)

    def _may_hold(self, file: SourceFile, wanted: frozenset[str]) -> bool:
        opened = self._tables.open(file)
        owner = opened.symbol if isinstance(opened, Refusal) else opened.owner
        return owner in wanted if owner else isinstance(opened, OpenedFile)


def _find_lost(sheet: Sheet, numbers: Sequence[int], wanted: frozenset[str], days: set[date]) -> pl.DataFrame:
    """Return the rows of some symbols and days that cannot be read, as `FetchedBars` has them."""
    is_asked = pl.col("of").is_in(sorted(wanted)) & (pl.col("session").is_in(days) | pl.col("session").is_null())
    names = pl.lit(pl.Series([opened.file.name for opened in sheet.opened]))
    rows = sheet.lost.filter(is_asked & pl.col("file").is_in(numbers))
    return rows.with_columns(file=names.gather(pl.col("file"))).select(*RAW_BAR_SCHEMA, *PLACE_SCHEMA)


def _check_zone(times: TimeRules) -> TimeRules:
    if times.zone is not None and not is_zone(times.zone):
        raise ConfigurationError(f"time zone of files was {times.zone!r}, expected a name such as 'Asia/Tokyo'")
    return times


def _join(refusals: Sequence[Refusal]) -> str:
    more = f"; {len(refusals) - 3:,} more" if len(refusals) > 3 else ""
    return "; ".join(refusal.message for refusal in refusals[:3]) + more


def build(parts: ProviderParts[FileSettings]) -> BarProvider:
    """Return the provider of the configured folder.

    Raises:
        ConfigurationError: the time zone is unknown, or the pattern or the list of symbols cannot be read.

    """
    root = (parts.settings.file_dir or Path()).resolve()
    return limit_calls(FileProvider(root, read_rules(parts.settings)), parts.rate_limiter)


def read_rules(settings: FileSettings) -> FileRules:
    """Return how files are read, by the settings.

    Raises:
        ConfigurationError: the pattern or the list of symbols cannot be read.

    """
    names = NameRules.parse(settings.file_symbol_pattern, settings.file_symbols)
    times = TimeRules(settings.file_time_zone, settings.file_date_order)
    return FileRules(times, names=names, limits=FileLimits(settings.file_max_mb))


def find_outcomes(request: BarRequest, brought: frozenset[str], facts: Sequence[Facts]) -> dict[str, SymbolOutcome]:
    """Return the outcome of each symbol that has no rows or refused parts, by the facts of each file."""
    spans, refusals = _gather(facts, request.interval)
    outcomes: dict[str, SymbolOutcome] = {}
    for symbol in request.symbols:
        if parts := refusals.get(symbol):
            more = f"; {len(parts) - 1:,} more" if len(parts) > 1 else ""
            outcomes[symbol] = SymbolOutcome(symbol, Outcome.INVALID, message=parts[0].message + more)
        elif symbol not in brought:
            outcomes[symbol] = _find_absence(symbol, request, spans.get(symbol))
    return outcomes


def _gather(
    facts: Sequence[Facts], interval: Interval
) -> tuple[dict[str, tuple[date, date]], dict[str, list[Refusal]]]:
    """Return for each symbol the first and last session with bars of an interval, and the refused parts."""
    spans: dict[str, tuple[date, date]] = {}
    refusals: dict[str, list[Refusal]] = {}
    for each in facts:
        # A file without rows may be of any interval.
        for refusal in each.refusals if each.interval in {interval, None} else ():
            if refusal.symbol:
                refusals.setdefault(refusal.symbol, []).append(refusal)
        for symbol, (first, last) in each.spans.items() if each.interval is interval else ():
            known = spans.get(symbol, (first, last))
            spans[symbol] = (min(first, known[0]), max(last, known[1]))
    return spans, refusals


def _find_absence(symbol: str, request: BarRequest, span: tuple[date, date] | None) -> SymbolOutcome:
    """Return why a symbol has no rows: within its days an exchange may have been open without a trade."""
    if span is None and request.is_named:
        message = f"no {request.interval} bars of it are in your files; to see what they have: kaboom files check"
        return SymbolOutcome(symbol, Outcome.INVALID, message=message)
    if span is None:
        return SymbolOutcome(symbol, Outcome.NOT_LISTED, message="not in your files")
    first, last = span
    inside = [day for day in request.sessions if first <= day <= last]
    if any(_is_open(symbol, day) for day in inside):
        return SymbolOutcome(symbol, Outcome.NO_TRADES)
    message = f"not in your files on these days; they have it from {first} to {last}"
    return SymbolOutcome(symbol, Outcome.NOT_LISTED, message=message)


def _is_open(symbol: str, day: date) -> bool:
    """Return whether the exchange may have been open on a day; for Tokyo's issues this is known."""
    return is_session(day) if is_tse_code(symbol) else day.weekday() < 5
