"""The J-Quants provider: all daily bars in one request, minutes symbol by symbol, or both from bulk files."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from kaboom.errors import ConfigurationError
from kaboom.market.action import CorporateAction
from kaboom.market.calendar import is_session
from kaboom.market.disclosure import Disclosures
from kaboom.market.indices import INDICES, NIKKEI_225, is_index
from kaboom.market.interval import Interval
from kaboom.market.lists.snapshot import Snapshot
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, Capabilities, DisclosureKind, FetchedBars
from kaboom.providers.jquants import query
from kaboom.providers.jquants.bulk import JquantsBulk
from kaboom.providers.jquants.disclosures import parse_announcements, parse_dividends, parse_statements
from kaboom.providers.jquants.file_cache import JquantsShelf, find_folder
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.parse import (
    add_outcomes,
    expect_code,
    expect_whole,
    parse_actions,
    parse_calendar,
    parse_daily,
    parse_index_days,
    parse_listings,
    parse_master,
    parse_minutes,
    traded,
    unfinished,
)
from kaboom.providers.jquants.spec import SPEC, JquantsSettings
from kaboom.providers.per_symbol import SymbolAnswer, ask_each, nothing_traded
from kaboom.providers.rows import lengthen, pick_sessions
from kaboom.providers.spec import INTRADAY, ProviderParts

#: For fewer symbols minutes are requested one by one: the file of a past month has 100 MB.
_LEAST_ISSUES = 200
#: The indices with a code at J-Quants; those that the key's plan does not include end as `not_listed`.
OFFERED = tuple(listing.symbol for listing in INDICES if listing.symbol != NIKKEI_225)
_NOT_SERVED = "J-Quants has no values of it on these days; some indices need another plan, and it has no Nikkei 225"


class JquantsProvider:
    """A `BarProvider` over J-Quants' API, version 2. Prices are as traded; intervals between 1m and 1d are sums."""

    name = SPEC.name

    def __init__(
        self, source: JquantsSource, *, concurrency: int | None = None, bulk: JquantsBulk | None = None
    ) -> None:
        """Take a source, how many requests to make at once (its own limit by default), and bulk files if any."""
        self._source = source
        self._bulk = bulk
        capabilities = SPEC.capabilities.asked_at_once(concurrency)
        # The plan of the key may allow less.
        self.capabilities = capabilities if bulk is None else _with_files(capabilities)

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        """Return the ordinary shares of a section as of a session, sorted, or the indices that J-Quants may have.

        Raises:
            ProviderError: J-Quants failed, or returned the issues of another day.

        """
        if market is Market.INDEX:
            return OFFERED
        return parse_master(await self._source.fetch_rows(query.ask_master(session)), market, session)

    async def fetch_master(self, session: date) -> Snapshot:
        """Return the list as of a session; that of the next one comes at 17:30."""
        listings = parse_listings(await self._source.fetch_rows(query.ask_master(session)), session)
        return Snapshot(session, "J-Quants API v2, /equities/master", listings)

    async def fetch_sessions(self, _interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        """Return the last sessions of J-Quants' calendar, which has unscheduled closures too.

        Raises:
            ProviderError: J-Quants failed, or its calendar does not reach to `until`.

        """
        return parse_calendar(await self._source.fetch_rows(query.ask_calendar(count, until)), count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        sessions = tuple(sorted(day for day in set(request.sessions) if is_session(day)))
        symbols = tuple(dict.fromkeys(request.symbols))
        if not symbols or not sessions:
            return nothing_traded(symbols)
        asked = replace(request, symbols=symbols, sessions=sessions)
        if all(map(is_index, symbols)):
            return await fetch_indices(self._source, asked, concurrency=self.capabilities.concurrency or 1)
        if self._bulk and (found := await self._bulk.fetch_bars(asked, _count_questions(asked))) is not None:
            return found
        return await self._ask(asked)

    async def fetch_day(self, day: date, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return what companies disclosed on a day, a request for each kind and its pages."""
        return await self._fetch_disclosures(kinds, lambda path: query.ask_all(path, day))

    async def fetch_company(self, symbol: str, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return all that a company has disclosed, a request for each kind and its pages."""
        return await self._fetch_disclosures(kinds, lambda path: query.ask_company(path, symbol))

    async def close(self) -> None:
        await self._source.close()

    async def _fetch_disclosures(
        self, kinds: Collection[DisclosureKind], ask: Callable[[str], query.JquantsQuery]
    ) -> Disclosures:
        paths = {
            DisclosureKind.STATEMENTS: query.STATEMENTS,
            DisclosureKind.ANNOUNCEMENTS: query.ANNOUNCEMENTS,
            DisclosureKind.DIVIDENDS: query.DIVIDENDS,
        }
        rows = {kind: await self._source.fetch_rows(ask(path)) for kind, path in paths.items() if kind in kinds}
        announced = parse_announcements(rows.get(DisclosureKind.ANNOUNCEMENTS, ()))
        dividends = parse_dividends(rows.get(DisclosureKind.DIVIDENDS, ()))
        return Disclosures(parse_statements(rows.get(DisclosureKind.STATEMENTS, ())), announced + dividends)

    async def _ask(self, request: BarRequest) -> FetchedBars:
        symbols, sessions = request.symbols, request.sessions
        if request.interval is Interval.D1 and len(sessions) <= len(symbols):
            return await self._fetch_days(symbols, sessions)

        actions: list[CorporateAction] = []

        async def ask(symbol: str) -> SymbolAnswer[pl.DataFrame]:
            return await self._fetch_symbol(symbol, sessions, request.interval, actions)

        answered = await ask_each(symbols, ask, concurrency=self.capabilities.concurrency or 1, join=pl.concat)
        return replace(lengthen(answered, sessions, request.interval), actions=actions)

    async def _fetch_days(self, symbols: Sequence[str], sessions: Sequence[date]) -> FetchedBars:
        days, actions = [], list[CorporateAction]()
        for session in sessions:
            rows = await self._source.fetch_rows(query.ask_all(query.DAILY, session))
            bars = parse_daily(rows, symbols, [session])
            if not rows:
                raise unfinished(session, "0 rows", asked=len(symbols), found=0)
            expect_whole(session, f"{len(rows)} rows", asked=len(symbols), found=bars.height)
            days.append(bars)
            actions += parse_actions(rows, symbols)
        return replace(add_outcomes(symbols, pl.concat(days)), actions=actions)

    async def _fetch_symbol(
        self, symbol: str, sessions: Sequence[date], interval: Interval, actions: list[CorporateAction]
    ) -> SymbolAnswer[pl.DataFrame]:
        path = query.DAILY if interval is Interval.D1 else query.MINUTES
        rows = await self._source.fetch_rows(query.ask_one(path, symbol, sessions[0], sessions[-1]))
        if interval is Interval.D1:
            expect_code(rows, symbol)
            listed = parse_daily(rows, [symbol], sessions)
            actions += [action for action in parse_actions(rows, [symbol]) if action.ex_session in sessions]
        else:
            listed = parse_minutes(rows, symbol, sessions)
        listed = pick_sessions(listed, sessions, interval)
        bars = traded(listed)
        if bars.height:
            return bars
        # A day without trades has a row, and minutes without trades have none: the list of issues says the rest.
        if listed.height or await self._is_listed(symbol, sessions[-1]):
            return SymbolOutcome(symbol, Outcome.NO_TRADES)
        return SymbolOutcome(symbol, Outcome.NOT_LISTED)

    async def _is_listed(self, symbol: str, session: date) -> bool:
        rows = await self._source.fetch_rows(query.ask_master(session, symbol))
        expect_code(rows, symbol)
        return bool(rows)


def _count_questions(request: BarRequest) -> int:
    """Return how many requests are made without bulk files, not counting pages."""
    symbols, sessions = len(request.symbols), len(request.sessions)
    return min(symbols, sessions) if request.interval is Interval.D1 else symbols


def _with_files(capabilities: Capabilities) -> Capabilities:
    return replace(
        capabilities,
        bulk_by_session=capabilities.bulk_by_session | INTRADAY,
        bulk_by_month=frozenset({Interval.D1}),
        bulk_least_symbols=dict.fromkeys(INTRADAY, _LEAST_ISSUES),
    )


def build(parts: ProviderParts[JquantsSettings]) -> BarProvider:
    """Return the provider, with bulk files if they are turned on.

    Raises:
        ConfigurationError: there is no key.

    """
    settings, limiter = parts.settings, parts.rate_limiter
    if settings.jquants_api_key is None:
        raise ConfigurationError(SPEC.find_lacking(settings) or "")
    key = settings.jquants_api_key.get_secret_value()
    source = JquantsSource.connect(settings.jquants_base_url, key, limiter, connections=parts.connections)
    shelf = JquantsShelf(source, limiter, find_folder(parts.data_dir))
    bulk = JquantsBulk(source, shelf) if settings.jquants_bulk else None
    return JquantsProvider(source, concurrency=parts.concurrency, bulk=bulk)


async def fetch_indices(source: JquantsSource, request: BarRequest, *, concurrency: int) -> FetchedBars:
    """Return the daily bars of some indices over some sessions, which are in order.

    Raises:
        ProviderError: J-Quants failed for the whole request.

    """
    served = tuple(symbol for symbol in request.symbols if symbol != NIKKEI_225)
    if len(request.sessions) <= len(served):
        days = [await _fetch_day(source, served, session) for session in request.sessions]
        found = FetchedBars(traded(pl.concat(days)))
    else:

        async def ask(symbol: str) -> SymbolAnswer[pl.DataFrame]:
            return await _fetch_days_of(source, symbol, request.sessions)

        found = await ask_each(served, ask, concurrency=concurrency, join=pl.concat)
    brought = set(found.bars["symbol"])
    lacking = {symbol: _not_served(symbol) for symbol in request.symbols if symbol not in brought}
    return replace(found, outcomes=lacking | dict(found.outcomes))


async def _fetch_day(source: JquantsSource, symbols: Sequence[str], session: date) -> pl.DataFrame:
    rows = await source.fetch_rows(query.ask_all(query.INDICES, session))
    if not rows:
        raise unfinished(session, "0 rows", asked=len(symbols), found=0)
    return parse_index_days(rows, symbols, [session])


async def _fetch_days_of(source: JquantsSource, symbol: str, sessions: Sequence[date]) -> SymbolAnswer[pl.DataFrame]:
    rows = await source.fetch_rows(query.ask_one(query.INDICES, symbol, sessions[0], sessions[-1]))
    expect_code(rows, symbol)
    bars = traded(pick_sessions(parse_index_days(rows, [symbol], sessions), sessions, Interval.D1))
    return bars if bars.height else _not_served(symbol)


def _not_served(symbol: str) -> SymbolOutcome:
    return SymbolOutcome(symbol, Outcome.NOT_LISTED, message=_NOT_SERVED)
