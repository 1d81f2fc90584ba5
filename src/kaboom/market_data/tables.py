"""Answer queries on bars, rejected rows, listings and sessions; imported for the first query, since it needs polars."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from kaboom.bars.actions.adjustment import Adjustment, Wish, load_adjustment
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.coverage.classify import add_finality
from kaboom.bars.history import check_moment, reader_at
from kaboom.bars.store import BarStore
from kaboom.bars.windows import read_first
from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST
from kaboom.market.indices import INDEX_MARK
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.own_names import load_own
from kaboom.market.lists.universe import Universe, load_universe
from kaboom.market.reference import list_listings, list_sessions, search_listings
from kaboom.market.source import provider_of
from kaboom.market_data.queries import (
    BarsQuery,
    CalendarQuery,
    CoverageQuery,
    LatestQuery,
    ManyBarsQuery,
    QuarantineQuery,
    SymbolsQuery,
    UniverseQuery,
    days_between,
)
from kaboom.market_data.table import Table, known_at_field
from kaboom.providers.registry import get_source_spec, provider_names
from kaboom.providers.spec import ProviderSpec

_MOST_COVERAGE_DAYS = 366
_MOST_CALENDAR_DAYS = 3_660
_HELD_SCHEMA = {
    "provider": pl.String(),
    "interval": pl.String(),
    "is_real": pl.Boolean(),
    "symbols": pl.Int64(),
    "last_at": pl.Datetime("us", "UTC"),
}
#: The place of a row without a time, after all others.
_NO_TIME = -(2**63)


@dataclass(frozen=True, slots=True)
class BarTables:
    """The bars of one store; a query without a provider gets those of `default_provider`."""

    store: BarStore
    actions: ActionStore
    default_provider: str
    clock: Clock

    async def bars(self, symbol: str, query: BarsQuery, place: list[Any] | None) -> Table:
        """Return bars of one symbol, oldest first; their place is `opened_at` in UTC seconds.

        Raises:
            InvalidRequest: the symbol, the provider or the span is invalid.

        """
        spec, series = self.series_of(query)
        name = parse_symbol(symbol, spec)
        start, end = self.span_of(query)
        after = place[0] + timedelta(seconds=1) if place else start
        reader = reader_at(self.store, query.as_of, clock=self.clock)
        found = await read_first(reader, series, name, start=after, end=end, limit=query.limit + 1)
        rows, last = _cut(found, query.limit)
        about = {"symbol": name, **_about(spec, series), "adjusted": False, "start": iso(start), "end": iso(end)}
        about |= known_at_field(query.as_of)
        labels, stem = ("provider", "interval", "symbol"), f"{name}-{series.interval}-{spec.name}"
        next_place = [int(last["opened_at"].timestamp())] if last else None
        if not query.is_adjusted:
            return Table(rows.drop("symbol"), about, labels, stem, next_place)
        adjustment = await self.adjustment_of(query, series, [name], start)
        rows = await asyncio.to_thread(adjustment.apply, rows)
        about |= {"adjusted": True, **_about_adjustment(adjustment)}
        stem += "-total-return" if query.total_return else "-adjusted"
        return Table(rows.drop("symbol"), about, (*labels, "action_set"), stem, next_place)

    async def latest(self, query: LatestQuery) -> Table:
        """Return the newest bar of every symbol, sorted by symbol; of TSE indices only those that the query names.

        Raises:
            InvalidRequest: a symbol or the provider is invalid.

        """
        spec, series = self.series_of(query)
        reader = reader_at(self.store, query.as_of, clock=self.clock)
        wanted = _wanted(query, spec)
        rows = await reader.latest(series, wanted)
        if not wanted and spec.is_tse:
            rows = rows.filter(~pl.col("symbol").str.starts_with(INDEX_MARK))
        about = {**_about(spec, series), **known_at_field(query.as_of)}
        return Table(rows, about, ("provider", "interval"), f"latest-{series.interval}-{spec.name}")

    async def held(self) -> Table:
        """Return the series that have bars, with their number of symbols and their newest bar."""
        rows = list[tuple[Any, ...]]()
        for series in await self.store.list_series():
            if provider_of(series.source) not in provider_names():
                continue  # stored by a provider that was since removed
            newest = await self.store.latest(series)
            if newest.height:
                is_real = get_source_spec(series.source).is_real
                rows.append((series.source, series.interval.value, is_real, newest.height, newest["opened_at"].max()))
        about = {"default_provider": self.default_provider}
        return Table(pl.DataFrame(rows, schema=_HELD_SCHEMA, orient="row"), about, (), "series")

    async def coverage(self, query: CoverageQuery, place: list[Any] | None) -> Table:
        """Return the stored bars by symbol and session, which are the place of a row; with finality if requested.

        Raises:
            InvalidRequest: a symbol, the provider or the span is invalid, or finality is requested with `as_of`.

        """
        if query.as_of and query.finality:
            raise InvalidRequest(
                "finality was true with as_of, expected false: what was asked of the provider has no history",
                pointer="/finality",
            )
        spec, series = self.series_of(query)
        last = query.last or self._today()
        first, last = days_between(query.first or last - timedelta(days=30), last, most=_MOST_COVERAGE_DAYS)
        reader = reader_at(self.store, query.as_of, clock=self.clock)
        held = await reader.coverage(series, first=first, last=last)
        if wanted := _wanted(query, spec):
            held = held.filter(pl.col("symbol").is_in(wanted))
        if place:
            symbol, session = place
            held = held.filter(
                (pl.col("symbol") > symbol) | ((pl.col("symbol") == symbol) & (pl.col("session") > session))
            )
        rows, cut = _cut(held, query.limit)
        if query.finality:
            asked = await self.store.load_fetch_log(series, first=first, last=last)
            rows = await asyncio.to_thread(add_finality, rows, asked, delay=spec.capabilities.delay, now=self.clock())
        about = {**_about(spec, series), "first": first.isoformat(), "last": last.isoformat()}
        about |= known_at_field(query.as_of)
        next_place = [cut["symbol"], cut["session"].isoformat()] if cut else None
        return Table(rows, about, ("provider", "interval"), f"coverage-{series.interval}-{spec.name}", next_place)

    async def adjustment_of(
        self, query: BarsQuery | ManyBarsQuery, series: BarSeries, symbols: Sequence[str], start: datetime
    ) -> Adjustment:
        """Return the adjustment of the bars of a query, as known at the moment of the query."""
        noted = reader_at(self.actions, query.as_of, clock=self.clock)
        reader = reader_at(self.store, query.as_of, clock=self.clock)
        until = (query.as_of or self.clock()).astimezone(JST).date()
        wish = Wish(until, start.astimezone(JST).date(), query.total_return)
        return await load_adjustment(noted, reader, series, symbols, wish)

    def series_of(
        self, query: LatestQuery | BarsQuery | ManyBarsQuery | CoverageQuery
    ) -> tuple[ProviderSpec, BarSeries]:
        """Return the provider and the series of a query.

        Raises:
            InvalidRequest: the provider does not exist.

        """
        spec = get_source_spec(query.provider or self.default_provider)
        return spec, BarSeries(spec.name, query.interval)

    def span_of(self, query: BarsQuery | ManyBarsQuery) -> tuple[datetime, datetime]:
        """Return the span of a query in UTC; its end is not included.

        Raises:
            InvalidRequest: the start is not before the end.

        """
        # Whole days, so that a repeated query gets the same answer.
        tonight = datetime.combine(self._today() + timedelta(days=1), time(), JST).astimezone(UTC)
        end = query.end or tonight
        start = query.start or end - timedelta(days=366 if query.interval is Interval.D1 else 31)
        if start >= end:
            raise InvalidRequest(f"start was {iso(start)} and end {iso(end)}, expected start first", pointer="/start")
        return start, end

    def _today(self) -> date:
        return self.clock().astimezone(JST).date()


def _about(spec: ProviderSpec, series: BarSeries) -> dict[str, Any]:
    return {"interval": series.interval.value, "provider": spec.name, "is_real": spec.is_real}


def _about_adjustment(by: Adjustment) -> dict[str, Any]:
    about = {"action_set": by.digest, "actions": describe_actions(by)}
    if by.dividends is None:
        return about
    day = pl.col("ex_session").cast(pl.String)
    return about | {"total_return": True, "dividends": by.dividends.select(day, "amount", "close", "factor").to_dicts()}


def describe_actions(by: Adjustment) -> list[dict[str, Any]]:
    """Return the actions of an adjustment as the answers have them, oldest first."""
    return by.actions.select(pl.col("ex_session").cast(pl.String), "factor", "kind", "state").to_dicts()


def parse_symbol(symbol: str, spec: ProviderSpec) -> str:
    """Return a symbol in the form of its provider.

    Raises:
        InvalidRequest: the symbol is not valid for the provider.

    """
    try:
        return spec.parse_symbol(symbol)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/symbol") from e


def _wanted(query: LatestQuery | CoverageQuery, spec: ProviderSpec) -> list[str]:
    return [parse_symbol(symbol, spec) for symbol in query.symbol]


def _cut(rows: pl.DataFrame, limit: int) -> tuple[pl.DataFrame, dict[str, Any] | None]:
    """Return a page, and its last row if more rows follow."""
    if rows.height <= limit:
        return rows, None
    page = rows.head(limit)
    return page, page.row(-1, named=True)


def iso(at: datetime) -> str:
    """Return a time as the answers have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class ReferenceTables:
    """Listings, from the shipped snapshots and those imported to a folder, and the calendar."""

    symbols_dir: Path
    clock: Clock

    def symbols(self, query: SymbolsQuery, place: list[Any] | None) -> Table:
        """Return listed issues of all TSE sections, or of one market, sorted by symbol, which is their place.

        A search with `q` also finds indices, and symbols that only the user's files name.

        Raises:
            NotFound: the market is FILE, which has no list of symbols.
            InvalidRequest: an imported list cannot be read, or `as_of` is in the future or before the first list.

        """
        session = query.session or self._today()
        markets = (
            [query.market]
            if query.market
            else [each for each in Market if each.is_section or (each.is_tse and query.q)]
        )
        universes = [self._load(market, session, query.as_of) for market in markets]
        if query.q and not query.market and not query.as_of:
            universes.append(load_own(self.symbols_dir, session, universes))
        rows = search_listings(self._list(universes, query.as_of), query.q)
        if place:
            rows = rows.filter(pl.col("symbol") > place[0])
        page = rows.head(query.limit)
        next_place = [page["symbol"][-1]] if rows.height > query.limit else None
        about = _dated(universes[0], session) | known_at_field(query.as_of)
        return Table(page, about, ("as_of",), f"symbols-{session}", next_place)

    def universe(self, query: UniverseQuery) -> Table:
        """Return the symbols of a market as of a session; those delisted since the list have `is_listed` false.

        Raises:
            NotFound: the market is FILE, which has no list of symbols.
            InvalidRequest: an imported list cannot be read, or `as_of` is in the future or before the first list.

        """
        session = query.session or self._today()
        universe = self._load(query.market, session, query.as_of)
        about = {"market": universe.market.value, **_dated(universe, session), "age_days": universe.age(session)}
        about |= known_at_field(query.as_of)
        rows = self._list([universe], query.as_of)
        return Table(rows, about, ("as_of",), f"universe-{universe.market}-{session}")

    def calendar(self, query: CalendarQuery) -> Table:
        """Return sessions and their hours, oldest first.

        Raises:
            InvalidRequest: the days are not in order, or too far apart.

        """
        first = query.first or self._today()
        first, last = days_between(first, query.last or first + timedelta(days=31), most=_MOST_CALENDAR_DAYS)
        about = {"first": first.isoformat(), "last": last.isoformat(), "time_zone": "Asia/Tokyo"}
        return Table(list_sessions(first, last), about, (), f"calendar-{first}-{last}")

    def _load(self, market: Market, session: date, as_of: datetime | None) -> Universe:
        if as_of:
            check_moment(as_of, self.clock())
        return load_universe(market, session, imported_dir=self.symbols_dir, known_at=as_of)

    def _list(self, universes: Iterable[Universe], as_of: datetime | None) -> pl.DataFrame:
        return list_listings(universes, load_history(self.symbols_dir, known_at=as_of))

    def _today(self) -> date:
        return self.clock().astimezone(JST).date()


def _dated(universe: Universe, session: date) -> dict[str, Any]:
    return {"session": session.isoformat(), "as_of": universe.as_of.isoformat(), "source": universe.source}


@dataclass(frozen=True, slots=True)
class QuarantineTables:
    """The rejected rows of one store; a query without a provider gets those of `default_provider`."""

    store: BarStore
    default_provider: str

    async def rows(self, query: QuarantineQuery, place: list[Any] | None) -> Table:
        """Return rejected rows, newest first, those without a time last.

        The place of a row is its time in microseconds and a digest of its symbol and reason, which may be long.

        Raises:
            InvalidRequest: the provider is invalid.

        """
        spec = get_source_spec(query.provider or self.default_provider)
        series = BarSeries(spec.name, query.interval)
        found = await self.store.read_quarantine(series, query.symbol)
        about = {"interval": series.interval.value, "provider": spec.name, "is_real": spec.is_real}
        return await asyncio.to_thread(_to_table, found, query, place, about)


def _to_table(found: pl.DataFrame, query: QuarantineQuery, place: list[Any] | None, about: dict[str, Any]) -> Table:
    day = pl.col("opened_at").dt.convert_time_zone("Asia/Tokyo").dt.date()
    rows = found.with_columns(session=day)
    if query.session:
        rows = rows.filter(pl.col("session") == query.session)
    counted = rows.group_by("reason").len().sort("len", "reason", descending=[True, False]).rows()
    if query.reason is not None:
        rows = rows.filter(pl.col("reason") == query.reason)
    about |= {"total": rows.height, "reasons": dict(counted)}
    rows = rows.sort("opened_at", "symbol", "reason", descending=[True, False, False], nulls_last=True)
    if place:
        rows = _after(rows, *place)
    page = rows.head(query.limit)
    next_place = _places(page.tail(1))[0] if rows.height > query.limit else None
    columns = ("session", "symbol", "opened_at", "open", "high", "low", "close", "volume", "reason", "file", "line")
    stem = f"quarantine-{about['interval']}-{about['provider']}"
    return Table(page.select(columns), about, ("provider", "interval"), stem, next_place)


def _after(rows: pl.DataFrame, at_us: int, digest: str) -> pl.DataFrame:
    """Return the rows after a place; if its row was deleted meanwhile, continue with the rows of older times."""
    at = pl.col("opened_at").to_physical().fill_null(_NO_TIME)
    same, older = rows.filter(at == at_us), rows.filter(at < at_us)
    digests = [found for _, found in _places(same)]
    return pl.concat([same[digests.index(digest) + 1 :], older]) if digest in digests else older


def _places(rows: pl.DataFrame) -> list[tuple[int, str]]:
    times = rows["opened_at"].to_physical().fill_null(_NO_TIME).to_list()
    names = zip(rows["symbol"].to_list(), rows["reason"].to_list(), strict=True)
    digests = (hashlib.sha256(f"{symbol}\0{reason}".encode()).hexdigest()[:32] for symbol, reason in names)
    return list(zip(times, digests, strict=True))
