"""Answer queries on bars; imported for the first query, since it needs polars."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from kaboom.bars.actions.adjustment import Adjustment, Wish, load_adjustment
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.coverage.classify import add_finality
from kaboom.bars.history import reader_at
from kaboom.bars.store import BarStore
from kaboom.bars.windows import read_first
from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST
from kaboom.market.indices import INDEX_MARK
from kaboom.market.interval import Interval
from kaboom.market_data.queries import BarsQuery, CoverageQuery, LatestQuery, ManyBarsQuery, days_between
from kaboom.market_data.table import Table, known_at_field
from kaboom.providers.registry import get_source_spec
from kaboom.providers.spec import ProviderSpec

_MOST_COVERAGE_DAYS = 366


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
