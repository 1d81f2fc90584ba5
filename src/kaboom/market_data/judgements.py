"""Answer queries on the completeness of bars; imported for the first query, since it needs polars."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl

from kaboom.bars.coverage.cells import CellState
from kaboom.bars.coverage.classify import next_change
from kaboom.bars.coverage.judge import CoverSpan, Judgement, judge
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import Clock
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, last_sessions
from kaboom.market.indices import sector_of
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.own_names import load_own
from kaboom.market.lists.universe import load_universe
from kaboom.market.source import derived_source
from kaboom.market_data.queries import CellQuery, CellsQuery, SessionsQuery
from kaboom.market_data.table import Grid, Table
from kaboom.market_data.tables import parse_symbol
from kaboom.providers.registry import get_source_spec
from kaboom.providers.spec import ProviderSpec

type _Query = CellQuery | SessionsQuery
#: How many answers are cached until the store changes; the answer for a whole market takes about 0.5 MB.
_MOST_KEPT = 8
_UNKNOWN = Listing("", "", Market.FILE, "", "")


@dataclass(frozen=True, slots=True)
class _Judged:
    """The cells of a query, by symbol and session, and the metadata of all cells."""

    about: dict[str, Any]
    cells: pl.DataFrame
    sessions: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Whole:
    """Both answers for all symbols, built together, because a page of the dashboard requests both."""

    sessions: Table
    grid: Grid


@dataclass(frozen=True, slots=True)
class _Kept:
    """A cached answer, valid for one version of the store and until a time."""

    answer: Any
    version: str
    until: datetime


@dataclass(frozen=True, slots=True)
class CoverTables:
    """Judges the bars of one store, one query at a time, since a year of a market takes a second of CPU."""

    store: BarStore
    symbols_dir: Path
    default_provider: str
    clock: Clock
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: dict[tuple[object, ...], _Kept] = field(default_factory=dict)

    async def sessions(self, query: SessionsQuery) -> Table:
        """Return the verdict on each session and its counts by state, newest first.

        Raises:
            InvalidRequest: the provider or the market is invalid.

        """
        return (await self._answer_whole(query)).sessions

    async def cells(self, query: CellsQuery) -> Grid:
        """Return the state of every cell as one byte, its index in `states`, by symbol, then session, oldest first.

        The metadata names the symbols, with their sectors and size classes from the newest list up to the last session.

        Raises:
            InvalidRequest: the provider or the market is invalid.

        """
        return (await self._answer_whole(query)).grid

    async def cell(self, symbol: str, query: CellQuery) -> Table:
        """Return the cells of one symbol, newest session first.

        Raises:
            InvalidRequest: the symbol or the provider is invalid.

        """
        name = parse_symbol(symbol, get_source_spec(query.provider or self.default_provider))
        table = await self._answer(query, [name], _to_cells)
        return replace(table, about={**table.about, "symbol": name}, labels=(*table.labels, "symbol"))

    async def _answer_whole(self, query: SessionsQuery) -> _Whole:
        return await self._answer(query, await asyncio.to_thread(self._symbols_of, query), self._to_whole)

    async def _answer[T](self, query: _Query, symbols: Sequence[str], build: Callable[[_Judged], T]) -> T:
        # The task continues if its caller times out; the next caller gets the cached answer.
        task = asyncio.create_task(self._answer_in_turn(query, symbols, build), name="coverage")
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _answer_in_turn[T](self, query: _Query, symbols: Sequence[str], build: Callable[[_Judged], T]) -> T:
        async with self.turn:
            series, spec = await self._series(query)
            span = await self._span(query, series, spec, symbols)
            version = await self.store.version()
            key = (build.__name__, series, query.sessions, span.last, span.of_indices, tuple(symbols))
            kept = self.kept.get(key)
            if kept and kept.version == version and span.now < kept.until:
                return cast("T", kept.answer)
            found = await judge(self.store, series, span)

            def answer_all() -> tuple[T, datetime]:
                judged = _limit(found, query.sessions, spec)
                return build(judged), next_change(judged.sessions["session"], span.delay, span.now)

            answer, until = await asyncio.to_thread(answer_all)
            if version is not None:
                self.kept.pop(key, None)
                self.kept[key] = _Kept(answer, version, until)
                for old in list(self.kept)[:-_MOST_KEPT]:
                    del self.kept[old]
            return answer

    async def _span(self, query: _Query, series: BarSeries, spec: ProviderSpec, symbols: Sequence[str]) -> CoverSpan:
        now = self.clock()
        last = query.last or now.astimezone(JST).date()
        if spec.is_tse:
            first = last_sessions(query.sessions, last)[0]
        else:
            last = query.last or await self._newest(series, last)
            # Without a calendar the number of days is estimated, with a margin.
            first = last - timedelta(days=query.sessions * 2 + 14)
        of_indices = isinstance(query, SessionsQuery) and query.market is Market.INDEX
        return CoverSpan(
            first, last, spec.capabilities.delay, now, symbols, has_calendar=spec.is_tse, of_indices=of_indices
        )

    async def _series(self, query: _Query) -> tuple[BarSeries, ProviderSpec]:
        source = query.provider or self.default_provider
        if query.provider is None:
            rolled_up = BarSeries(derived_source(source), query.interval)
            held = await self.store.list_series()
            if rolled_up in held and BarSeries(source, query.interval) not in held:
                source = rolled_up.source
        spec = get_source_spec(source)
        return BarSeries(spec.name, query.interval), spec

    async def _newest(self, series: BarSeries, today: date) -> date:
        """Return the last day with a bar, or today without bars; the bars of files may end years ago."""
        newest = (await self.store.latest(series))["opened_at"].max()
        return newest.date() if isinstance(newest, datetime) else today

    def _to_whole(self, judged: _Judged) -> _Whole:
        return _Whole(_to_sessions(judged), _to_grid(judged, self._listed(judged)))

    def _listed(self, judged: _Judged) -> Mapping[str, Listing]:
        if judged.sessions.is_empty():
            return {}
        last = judged.sessions["session"].to_list()[-1]
        universes = [load_universe(market, last, imported_dir=self.symbols_dir) for market in Market if market.is_tse]
        universes.append(load_own(self.symbols_dir, last, universes))
        return {listing.symbol: listing for universe in universes for listing in universe.listings}

    def _symbols_of(self, query: SessionsQuery) -> Sequence[str]:
        # Without symbols those with a bar or a request are judged; which indices there are depends on the provider.
        if query.market is None or not query.market.is_section:
            return ()
        session = query.last or self.clock().astimezone(JST).date()
        return load_universe(query.market, session, imported_dir=self.symbols_dir).symbols


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark the error of a task as retrieved, since its caller may have gone; the next caller tries again."""
    if not task.cancelled():
        task.exception()


def _limit(found: Judgement, count: int, spec: ProviderSpec) -> _Judged:
    sessions = found.sessions().tail(count)
    cells = found.cells.filter(pl.col("session").is_in(sessions["session"].implode()))
    about = {"interval": found.series.interval.value, "provider": found.series.source, "is_real": spec.is_real}
    return _Judged(about, cells, sessions)


def _to_sessions(judged: _Judged) -> Table:
    counts = map(str, CellState)
    rows = judged.sessions.select("session", "verdict", "symbols", "bars", "median", "flagged", "quarantined", *counts)
    return _to_table(rows.reverse(), judged.about, "sessions")


def _to_grid(judged: _Judged, listed: Mapping[str, Listing]) -> Grid:
    cells = _fill(judged)
    symbols = cells["symbol"].gather_every(max(judged.sessions.height, 1)).to_list()
    known = [listed.get(symbol, _UNKNOWN) for symbol in symbols]
    about = {
        **judged.about,
        "states": list(CellState),
        "sessions": [day.isoformat() for day in judged.sessions["session"].to_list()],
        "symbols": symbols,
        "names": [listing.name for listing in known],
        "names_en": [listing.name_en for listing in known],
        "sectors": [sector_of(listing.sector33).code for listing in known],
        "scales": [listing.scale for listing in known],
    }
    states = cells["state"].to_physical().cast(pl.UInt8)
    return Grid(about, states.to_numpy().tobytes())


def _fill(judged: _Judged) -> pl.DataFrame:
    """Return a cell for each symbol and session: symbols of files have days of their own, and nothing on the others."""
    symbols = judged.cells.select(pl.col("symbol").unique(maintain_order=True))
    if symbols.height * judged.sessions.height == judged.cells.height:
        return judged.cells
    whole = symbols.join(judged.sessions.select("session"), how="cross")
    cells = whole.join(judged.cells, on=["symbol", "session"], how="left", maintain_order="left")
    empty = pl.lit(CellState.EMPTY.value, dtype=judged.cells.schema["state"])
    return cells.with_columns(pl.col("state").fill_null(empty))


def _to_cells(judged: _Judged) -> Table:
    rows = judged.cells.drop("symbol").with_columns(pl.col("state").cast(pl.String))
    return _to_table(rows.reverse(), judged.about, "symbol")


def _to_table(rows: pl.DataFrame, about: dict[str, Any], what: str) -> Table:
    return Table(rows, about, ("provider", "interval"), f"coverage-{what}-{about['interval']}-{about['provider']}")
