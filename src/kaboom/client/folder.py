"""Reads bars, symbol lists and the calendar from a data folder or a mirror, without a server; writes nothing."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from kaboom.bars.actions.adjustment import Wish, load_adjustment
from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.export.manifest import MANIFEST, Manifest
from kaboom.bars.history import reader_at
from kaboom.bars.many import Wanted, read_many
from kaboom.bars.pages.store import PageBarStore
from kaboom.client.source import Asked, When, to_text
from kaboom.drivers.bucket import open_objects
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, NotFound
from kaboom.market.bar import BAR_SCHEMA, BarSeries, empty_bars
from kaboom.market.calendar import JST
from kaboom.market.fields import Moment
from kaboom.market.interval import Interval, parse_interval
from kaboom.market.listing import Market, parse_market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import load_universe
from kaboom.market.reference import list_listings, list_sessions
from kaboom.providers.registry import get_source_spec

_MOMENTS: TypeAdapter[datetime] = TypeAdapter(Moment)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The embedded store of a data folder, and the symbol lists that were imported to it."""

    folder: Path

    def bars(self, asked: Asked) -> pl.DataFrame:
        return _run(self._bars(asked))

    def held(self, asked: Asked) -> Iterable[str]:
        async def read(store: PageBarStore) -> pl.DataFrame:
            series = await _choose(store, parse_interval(asked.interval), asked.provider)
            return await reader_at(store, _moment(asked.as_of, "as_of")).latest(series)

        return _run(self._with_store(read))["symbol"]

    def listings(self) -> pl.DataFrame:
        markets = [market for market in Market if market.is_tse]
        found = [load_universe(market, _today(), imported_dir=self._symbols_dir) for market in markets]
        return list_listings(found, load_history(self._symbols_dir))

    def universe(self, market: str, session: date | None) -> pl.DataFrame:
        found = load_universe(parse_market(market), session or _today(), imported_dir=self._symbols_dir)
        return list_listings([found], load_history(self._symbols_dir)).select(
            pl.lit(found.as_of.isoformat()).alias("as_of"), pl.all()
        )

    def calendar(self, first: date, last: date) -> pl.DataFrame:
        return list_sessions(first, last)

    def coverage(
        self, interval: str, first: date, last: date, symbols: Sequence[str], provider: str | None
    ) -> pl.DataFrame:
        async def read(store: PageBarStore) -> pl.DataFrame:
            series = await _choose(store, parse_interval(interval), provider)
            held = await store.coverage(series, first=first, last=last)
            parse = get_source_spec(series.source).parse_symbol
            return held.filter(pl.col("symbol").is_in([parse(text) for text in symbols])) if symbols else held

        return _run(self._with_store(read))

    @property
    def _symbols_dir(self) -> Path:
        return self.folder / "symbols"

    async def _bars(self, asked: Asked) -> pl.DataFrame:
        return await self._with_store(partial(self._read, asked))

    async def _read(self, asked: Asked, store: PageBarStore) -> pl.DataFrame:
        series = await _choose(store, parse_interval(asked.interval), asked.provider)
        start, end = span_of(asked)
        wanted = Wanted(series, start, end, self._symbols(asked, series))
        as_of = _moment(asked.as_of, "as_of")
        reader = reader_at(store, as_of)
        found = pl.concat([empty_bars(), *[part async for part in read_many(reader, wanted)]])
        if asked.adjusted is not False or asked.total_return:
            actions = SqliteActionStore(self.folder / "bars")
            until = (as_of or utc_now()).astimezone(JST).date()
            wish = Wish(until, start.astimezone(JST).date(), asked.total_return)
            try:
                by = await load_adjustment(reader_at(actions, as_of), reader, series, wanted.symbols, wish)
            finally:
                await actions.close()
            found = by.apply(found)
        return found.sort("symbol", "opened_at")

    def _symbols(self, asked: Asked, series: BarSeries) -> tuple[str, ...]:
        parse = get_source_spec(series.source).parse_symbol
        if asked.market is None:
            return tuple(dict.fromkeys(parse(text) for text in asked.symbols))
        return load_universe(parse_market(asked.market), _today(), imported_dir=self._symbols_dir).symbols

    async def _with_store[T](self, work: Callable[[PageBarStore], Awaitable[T]]) -> T:
        store = PageBarStore(self.folder / "bars")
        try:
            return await work(store)
        finally:
            await store.close()


@dataclass(frozen=True, slots=True)
class MirrorSource:
    """The Parquet files of a mirror: raw bars in `<provider>/<interval>/`. Symbol lists are those shipped.

    `place` is a folder or the URL of a bucket. Each call reads the files of one state, if the mirror has a manifest.
    """

    place: str

    def bars(self, asked: Asked) -> pl.DataFrame:
        if asked.adjusted or asked.total_return or asked.as_of:
            raise InvalidRequest(
                "a mirror has raw bars without their history, expected adjusted=False, total_return=False and no as_of"
            )
        if asked.adjusted is None:
            text = "a mirror has raw bars: prices are not adjusted for splits; adjusted=False says that you know"
            warnings.warn(text, stacklevel=4)
        start, end = span_of(asked)
        provider, files = self._find(asked)
        symbols = self._lists._symbols(asked, BarSeries(provider, parse_interval(asked.interval)))  # noqa: SLF001
        rows = (
            pl.scan_parquet(files)
            .select(list(BAR_SCHEMA))
            .filter(pl.col("opened_at").is_between(start, end, closed="left"))
        )
        return (rows.filter(pl.col("symbol").is_in(symbols)) if symbols else rows).sort("symbol", "opened_at").collect()

    def held(self, asked: Asked) -> Iterable[str]:
        _, files = self._find(asked)
        return pl.scan_parquet(files).select(pl.col("symbol").unique()).collect()["symbol"]

    def listings(self) -> pl.DataFrame:
        return self._lists.listings()

    def universe(self, market: str, session: date | None) -> pl.DataFrame:
        return self._lists.universe(market, session)

    def calendar(self, first: date, last: date) -> pl.DataFrame:
        return list_sessions(first, last)

    def coverage(
        self, interval: str, first: date, last: date, symbols: Sequence[str], provider: str | None
    ) -> pl.DataFrame:
        raise InvalidRequest("a mirror has no coverage; ask a data folder or a running Kaboom")

    @property
    def _lists(self) -> FolderSource:
        return FolderSource(Path(self.place))

    def _find(self, asked: Asked) -> tuple[str, list[str]]:
        """Return the provider of a request, and the files of its interval."""
        objects = open_objects(self.place)
        if found := _run(objects.read(MANIFEST)):
            held = [f for f in Manifest.parse(found.content, objects.place).files if f.interval == asked.interval]
            provider = self._choose(sorted({file.provider for file in held}), asked)
            return provider, [f"{objects.place}/{file.path}" for file in held if file.provider == provider]
        folder = Path(self.place)
        names = sorted(path.parent.name for path in folder.glob(f"*/{asked.interval}") if any(path.iterdir()))
        provider = self._choose(names, asked)
        return provider, [str(folder / provider / asked.interval / "*.parquet")]

    def _choose(self, held: Sequence[str], asked: Asked) -> str:
        provider = _only(held, asked.provider, asked.interval) if held else asked.provider or "any provider"
        if provider not in held:
            raise NotFound(f"no bars of {asked.interval} of {provider} are in the mirror {self.place}")
        return provider


def span_of(asked: Asked) -> tuple[datetime, datetime]:
    """Return the span of a request; by default the 31 days before tonight, and 366 days for daily bars.

    Raises:
        InvalidRequest: the start is not before the end, or one of them is no day or time.

    """
    tonight = datetime.combine(_today() + timedelta(days=1), time(), JST).astimezone(UTC)
    end = _moment(asked.end, "end") or tonight
    days = 366 if asked.interval == Interval.D1 else 31
    start = _moment(asked.start, "start") or end - timedelta(days=days)
    if start >= end:
        raise InvalidRequest(f"start was {start} and end {end}, expected start first", pointer="/start")
    return start, end


async def _choose(store: PageBarStore, interval: Interval, provider: str | None) -> BarSeries:
    held = [series.source for series in await store.list_series() if series.interval is interval]
    return BarSeries(_only(held, provider, interval), interval)


def _only(held: Sequence[str], wanted: str | None, interval: str) -> str:
    """Return the wanted provider, or the only one that has bars."""
    if wanted is not None:
        return get_source_spec(wanted).name
    if not held:
        raise NotFound(f"no bars of {interval} are held")
    if len(held) > 1:
        raise InvalidRequest(f"provider was not given, expected one of {', '.join(held)}", pointer="/provider")
    return held[0]


def _moment(when: When | None, name: str) -> datetime | None:
    try:
        return None if when is None else _MOMENTS.validate_python(to_text(when))
    except ValidationError as e:
        raise InvalidRequest(f"{name}: {e.errors()[0]['msg'].removeprefix('Value error, ')}", pointer=f"/{name}") from e


def _today() -> date:
    return utc_now().astimezone(JST).date()


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a thread of its own if a loop already runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()
