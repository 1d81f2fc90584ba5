"""The bars of a backtest: choosing them, and reading them from the store as a panel with splits and listings."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from kaboom.backtest.engine.arrays import CLOSE
from kaboom.backtest.memory_check import check_room
from kaboom.backtest.panel import Delisting, Listings, Panel
from kaboom.backtest.request import TOPIX, BarsAsked
from kaboom.bars.actions.adjustment import applied_actions, applied_dividends
from kaboom.bars.actions.store import ActionReader
from kaboom.bars.history import reader_at
from kaboom.bars.store import BarReader
from kaboom.disclosures.columns import state_columns
from kaboom.disclosures.model import DisclosureStore
from kaboom.disclosures.ratios import REACH
from kaboom.drivers.stop import ShouldStop, check_stop, never
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, NEWEST_YEAR, last_sessions, resolve_last_session, utc_midnight
from kaboom.market.indices import TOPIX as INDEX
from kaboom.market.indices import TOPIX_AND_FUNDS
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import Universe, load_universe
from kaboom.market.source import provider_of
from kaboom.providers.registry import MOST_NAMED, check_has_disclosures, ingest_command


@dataclass(frozen=True, slots=True)
class BarTools:
    """The tools for reading bars: the stores, and the folder of imported symbol lists; statements only if asked for."""

    store: BarReader
    actions: ActionReader
    symbols_dir: Path
    disclosures: DisclosureStore | None = None


@dataclass(frozen=True, slots=True)
class StudyBars:
    """The bars of a request.

    Attributes:
        request: with its days and moment, so that a repetition reads the same bars.
        panel: of the symbols that have bars.
        benchmark: the panel of the symbol to compare with; None for equal weights of all.
        is_index_missing: whether the benchmark should be the index, but no bars of it are stored.
        missing: requested symbols without bars.
        delisted: symbols that are not listed any more on the last day.
        listed_on: the dates of the lists that the symbols of a market come from.
        sectors: the Japanese name of the sector of each listed symbol, of the 33 of JPX.

    """

    request: BarsAsked
    panel: Panel
    benchmark: Panel | None
    is_index_missing: bool
    missing: tuple[str, ...]
    delisted: tuple[str, ...]
    listed_on: tuple[date, ...]
    sectors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    symbols: tuple[str, ...]
    gone: frozenset[str] = frozenset()
    topix500: frozenset[str] = frozenset()
    topix100: frozenset[str] = frozenset()
    listed_on: tuple[date, ...] = ()
    sectors: Mapping[str, str] = field(default_factory=dict)


def resolve_days[R: BarsAsked](request: R, now: datetime, *, delay_s: float = 0.0) -> R:
    """Return the request with its first and last day, so that a repetition reads the same bars.

    Raises:
        InvalidRequest: a day is not a session, or is in the future.

    """
    # Sessions that closed after the moment were not known then.
    known = request.as_of if request.as_of and request.last is None else now
    last = resolve_last_session(request.last, known, is_tse=request.is_tse, delay_s=delay_s)
    if request.first is not None:
        return request.filled(last=last.isoformat())
    first = last_sessions(request.sessions, last)[0] if request.is_tse else last - timedelta(days=2 * request.sessions)
    return request.filled(first=first.isoformat(), last=last.isoformat())


async def load_bars(
    request: BarsAsked, tools: BarTools, *, statements: Sequence[str] = (), should_stop: ShouldStop = never
) -> StudyBars:
    """Return the bars of a request whose days are known, as of its moment if it has one.

    `statements` are the columns of statements that the strategy reads.

    Raises:
        InvalidRequest: there are no bars, no test can be run on them, or none can be read as of the moment.
        StoreError: a store could not be read.
        Stopped: `should_stop` turned true.

    """
    as_of = request.as_of
    tools = replace(tools, store=reader_at(tools.store, as_of), actions=reader_at(tools.actions, as_of))
    known = _find_symbols(request, tools.symbols_dir)
    frames = await _read(request, known.symbols, tools.store, should_stop)
    if not frames:
        raise await _find_others(request, tools.store) or _none_held(request, tools.symbols_dir)
    bars = pl.concat(frames)
    held = frozenset(bars["symbol"].unique().to_list())
    listings = await _listings(request, bars, known, tools.actions)
    panel = Panel.of(bars, request.interval, listings)
    if statements:
        panel = await _state(request, panel, listings.splits, statements, tools.disclosures)
    benchmark = await _load_benchmark(request, tools, should_stop)
    return StudyBars(
        request=request,
        panel=panel,
        benchmark=benchmark,
        is_index_missing=benchmark is None and request.is_index_preferred and request.is_tse,
        missing=tuple(symbol for symbol in known.symbols if symbol not in held),
        delisted=tuple(sorted(known.gone & held)),
        listed_on=known.listed_on,
        sectors=known.sectors,
    )


def _find_symbols(request: BarsAsked, symbols_dir: Path) -> _Known:
    """Return the symbols of a request; for a market, those listed on its first day or on its last day."""
    if not request.is_tse:
        if request.symbols is None:
            raise InvalidRequest(
                f"market was {request.market}, whose symbols no list has: name some", pointer="/market"
            )
        return _Known(request.symbols)
    lists = [_lists(day, symbols_dir, request.as_of) for day in (request.first, request.last) if day is not None]
    topix500 = frozenset[str]().union(*(one.topix500 for of_day in lists for one in of_day.values()))
    topix100 = frozenset[str]().union(*(one.topix100 for of_day in lists for one in of_day.values()))
    # Symbols that were in a list of issues, unlike funds, and are not on the last day.
    known = {symbol for of_day in lists for one in of_day.values() for symbol in one.symbols}
    listed = {symbol for one in lists[-1].values() for symbol in one.symbols}
    gone = frozenset(known - listed)
    # A symbol that has left keeps the sector that it had.
    sectors = {each.symbol: each.sector33 for of_day in lists for one in of_day.values() for each in one.listings}
    if request.market is None:
        return _Known(request.symbols or (), gone.intersection(request.symbols or ()), topix500, topix100, (), sectors)
    begin, end = lists[0][request.market], lists[-1][request.market]
    # Symbols that left the market are included; otherwise only survivors would be tested.
    symbols = tuple(sorted({*begin.symbols, *end.symbols}))
    days = tuple(sorted({begin.as_of, end.as_of}))
    return _Known(symbols, gone.intersection(symbols), topix500, topix100, days, sectors)


def _lists(day: date, symbols_dir: Path, as_of: datetime | None) -> dict[Market, Universe]:
    markets = [market for market in Market if market.is_section]
    return {market: load_universe(market, day, imported_dir=symbols_dir, known_at=as_of) for market in markets}


async def _find_others(request: BarsAsked, store: BarReader) -> InvalidRequest | None:
    """Return the refusal that names the days of the bars that are held; None if there are none of the first symbols."""
    symbols = (request.symbols or ())[:MOST_NAMED]
    frames = await _read(
        request.model_copy(update={"first": None, "last": date(NEWEST_YEAR, 12, 31)}), symbols, store, never
    )
    if not frames:
        return None
    source, interval, first, last = request.source, request.interval, request.first, request.last
    names = ", ".join(dict.fromkeys(str(frame["symbol"][0]) for frame in frames))
    # The days of the stores, which `first` and `last` name, are those of UTC.
    begin = min(frame["opened_at"][0] for frame in frames).date()
    end = max(frame["opened_at"][-1] for frame in frames).date()
    return InvalidRequest(
        f"no {source} {interval} bars from {first} to {last} are held; those of {names} are from {begin} to {end}: name"
        f" days by `--from {begin} --to {end}`"
    )


def _none_held(request: BarsAsked, symbols_dir: Path) -> InvalidRequest:
    symbols, source, interval = request.symbols or (), request.source, request.interval
    names = ", ".join(symbols[:MOST_NAMED]) + (" …" if len(symbols) > MOST_NAMED else "") or request.market
    first, last = request.first, request.last
    if request.spec.capabilities.follows_lists and (
        unknown := load_history(symbols_dir).describe_unknown(symbols, last)
    ):
        return InvalidRequest(f"no {source} {interval} bars of {names} are held, and {unknown}", pointer="/symbols")
    command = ingest_command(source, interval, 250, symbols) + (f" --market {request.market}" if request.market else "")
    if request.as_of is None:
        return InvalidRequest(
            f"no {source} {interval} bars of {names} from {first} to {last} are held; take some by `{command}`"
        )
    at = f"{request.as_of.astimezone(JST):%Y-%m-%d %H:%M:%S} JST"
    return InvalidRequest(
        f"no {source} {interval} bars of {names} from {first} to {last} were held at {at}; take some by `{command}`"
    )


async def _read(
    request: BarsAsked, symbols: tuple[str, ...], store: BarReader, should_stop: ShouldStop
) -> list[pl.DataFrame]:
    series = BarSeries(request.source, request.interval)
    first, last = request.first or date.min, request.last or date.max
    start, end = utc_midnight(first), utc_midnight(last + timedelta(days=1))
    frames, bars = [], 0
    for symbol in symbols:
        check_stop(should_stop)
        frame = await store.read(series, symbol, start=start, end=end)
        bars += frame.height
        check_room(bars)
        frames.append(frame)
    return [frame for frame in frames if frame.height]


async def _listings(request: BarsAsked, bars: pl.DataFrame, known: _Known, actions: ActionReader) -> Listings:
    symbols = bars["symbol"].unique().sort().to_list()
    notes = await actions.load(provider_of(request.source), symbols)
    until = request.last or date.max
    splits = applied_actions(notes, until=until).select("symbol", "ex_session", "factor")
    ends = bars.group_by("symbol").agg(pl.col("opened_at").max().dt.date())
    last = dict(ends.iter_rows())
    gone = {symbol: Delisting(last[symbol]) for symbol in known.gone if symbol in last}
    dividends = applied_dividends(notes, until=until)
    return Listings(splits=splits, dividends=dividends, delisted=gone, topix500=known.topix500, topix100=known.topix100)


async def _state(
    request: BarsAsked, panel: Panel, splits: pl.DataFrame, names: Sequence[str], store: DisclosureStore | None
) -> Panel:
    """Return a panel with columns of statements, as they were known at each bar."""
    provider = check_has_disclosures(provider_of(request.source)).name
    if store is None:
        raise TypeError("expected a store of statements")
    moments = [panel.decided_at(bar) for bar in range(panel.shape[0])]
    # Bars that are known at the request's moment have closed before it.
    since, until = moments[0] - REACH, moments[-1]
    found = await store.list_versions(provider, since=since, as_of=until, symbols=panel.symbols)
    if not found:
        command = f"kaboom market-data fundamentals --provider {provider}"
        chosen = "".join(f" --symbol {symbol}" for symbol in panel.symbols[:MOST_NAMED])
        raise InvalidRequest(
            f"no statements of {provider} are held that were known from {since:%Y-%m-%d} to {until:%Y-%m-%d};"
            f" take some by `{command}{chosen}`"
        )
    columns = await asyncio.to_thread(state_columns, found, panel.symbols, moments, panel.prices[CLOSE], splits)
    return replace(panel, stated={name: columns[name] for name in names})


async def _load_benchmark(request: BarsAsked, tools: BarTools, should_stop: ShouldStop) -> Panel | None:
    is_index = request.benchmark == TOPIX
    if is_index or (request.is_index_preferred and request.is_tse):
        wanted: tuple[str, ...] = TOPIX_AND_FUNDS
    elif request.benchmark is None:
        return None
    else:
        wanted = (request.spec.parse_symbol(request.benchmark),)
    for symbol in wanted:
        for frame in await _read(request, (symbol,), tools.store, should_stop):
            known = _Known((symbol,))
            return Panel.of(frame, request.interval, await _listings(request, frame, known, tools.actions))
    if is_index:
        raise InvalidRequest(
            f"benchmark was topix, and no {request.interval} bars of it or of a fund of it are held"
            f" ({', '.join(TOPIX_AND_FUNDS)}): take some by `{_ingest_of_topix(request)}`, or name no benchmark to"
            " compare with equal weights of the symbols",
            pointer="/benchmark",
        )
    if request.benchmark is not None:
        raise InvalidRequest(f"benchmark was {wanted[0]}, of which no bars are held", pointer="/benchmark")
    return None


def _ingest_of_topix(request: BarsAsked) -> str:
    command = ingest_command(request.source, request.interval, 250, ())
    has_index = request.interval is Interval.D1 and Market.INDEX in request.spec.capabilities.markets
    return (
        f"{command} --market INDEX --symbol {INDEX.removeprefix('^')}"
        if has_index
        else f"{command} --symbol {TOPIX_AND_FUNDS[1]}"
    )
