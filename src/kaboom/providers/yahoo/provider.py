"""The Yahoo provider: one chart a symbol, a few at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from typing import Any

import polars as pl

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.client import HttpClient
from kaboom.market.action import CorporateAction
from kaboom.market.calendar import JST, is_session, last_sessions
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.divided_prices import day_prices, find_divisors, undivide
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.per_symbol import SymbolAnswer, ask_each, nothing_traded
from kaboom.providers.rows import SymbolRows, build_frame, lengthen, of_sessions
from kaboom.providers.spec import ProviderParts
from kaboom.providers.wire import ProviderWire, Server
from kaboom.providers.yahoo.parse import ChartQuery, ask_charts, parse_chart, parse_dividends, parse_splits
from kaboom.providers.yahoo.spec import SPEC, YahooSettings

type _Taken = tuple[ChartQuery, Mapping[str, Any], SymbolRows]
YAHOO_SERVER = Server("yahoo", "Yahoo rejects some callers; no setting of Kaboom changes that")
#: With these statuses Yahoo returns a chart, or in JSON the reason why there is none.
EXPLAINED = frozenset({200, 400, 404, 422})
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Kaboom)"}
_MOST_BYTES = 16 << 20


class YahooProvider:
    """A `BarProvider` over Yahoo's charts; intervals between 1m and 1d are sums.

    Bars are as traded: Yahoo's division by later splits is reversed.
    """

    name = SPEC.name

    def __init__(self, wire: ProviderWire, *, concurrency: int | None = None, clock: Clock = utc_now) -> None:
        """Take a wire to Yahoo, how many requests to make at once (its own limit by default), and a clock."""
        self._wire = wire
        self._clock = clock
        self.capabilities = SPEC.capabilities.asked_at_once(concurrency)

    async def fetch_universe(self, _market: Market, _session: date) -> tuple[str, ...] | None:
        """Return None: Yahoo has no list of issues."""
        return None

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return None: Yahoo has no calendar."""
        return None

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        sessions = tuple(sorted(day for day in set(request.sessions) if is_session(day)))
        if not request.symbols or not sessions:
            return nothing_traded(request.symbols)

        reported: list[CorporateAction] = []

        async def ask(symbol: str) -> SymbolAnswer[list[SymbolRows]]:
            return await self._fetch_symbol(symbol, request.interval, sessions, reported)

        answered = await ask_each(request.symbols, ask, concurrency=self.capabilities.concurrency or 1, join=_join)
        return replace(lengthen(answered, sessions, request.interval), actions=reported)

    async def close(self) -> None:
        await self._wire.close()

    async def _fetch_symbol(
        self, symbol: str, interval: Interval, sessions: Sequence[date], reported: list[CorporateAction]
    ) -> SymbolAnswer[list[SymbolRows]]:
        if len(symbol) != len("7203"):
            return SymbolOutcome(symbol, Outcome.INVALID, message="Yahoo's name of preferred shares is not known")
        newest = last_sessions(1, self._clock().astimezone(JST).date())[0]
        taken, said = list[_Taken](), set[Outcome]()
        for query in ask_charts(symbol, interval, sessions, until=newest):
            answer = await self._wire.get(query.path, query.params, accept=EXPLAINED)
            chart = parse_chart(answer, query)
            if isinstance(chart, SymbolOutcome):
                said.add(chart.outcome)
            else:
                taken.append((query, answer, chart))
        listed = (split for query, answer, _ in taken for split in parse_splits(answer, query))
        splits = list({split.ex_session: split for split in listed}.values())
        traded = _as_traded(taken, splits, interval)
        parts = [_pick(chart, sessions, interval) for chart in traded]
        if not any(part.count for part in parts):
            return SymbolOutcome(symbol, Outcome.NOT_LISTED if said == {Outcome.NOT_LISTED} else Outcome.NO_TRADES)
        reported += [*splits, *_dividends(taken, splits)]
        return parts


def _dividends(taken: Sequence[_Taken], splits: Sequence[CorporateAction]) -> Iterable[CorporateAction]:
    # The charts of minutes and the one of days may list the same dividend.
    found = (dividend for query, answer, _ in taken for dividend in parse_dividends(answer, query, splits))
    return {dividend.ex_session: dividend for dividend in found}.values()


def _as_traded(taken: Sequence[_Taken], splits: Sequence[CorporateAction], interval: Interval) -> list[SymbolRows]:
    """Return the charts of an interval with prices as traded, undoing Yahoo's division by later splits."""
    asked = Interval.D1 if interval is Interval.D1 else Interval.M1
    found = [chart for query, _, chart in taken if query.interval is asked]
    if not splits or not found:
        return found
    # Days up to today show best where a division begins; without them the minutes' own days are used.
    daily = [chart for query, _, chart in taken if query.interval is Interval.D1]
    days = day_prices(daily, Interval.D1) if daily else day_prices(found, asked)
    divisors = find_divisors(days, splits)
    return [undivide(chart, asked, days, divisors) for chart in found]


def _pick(chart: SymbolRows, sessions: Sequence[date], interval: Interval) -> SymbolRows:
    """Return the rows of some sessions; a chart of days continues to today."""
    end_us = ChartQuery(chart.symbol, interval, sessions[0], sessions[-1]).end_s * 1_000_000
    within = chart.pick(chart.opened_at_us < end_us)
    return within.pick(of_sessions(within.opened_at_us, sessions, interval))


def _join(answers: Sequence[Sequence[SymbolRows]]) -> pl.DataFrame:
    return build_frame([*chain(*answers)])


def build(parts: ProviderParts[YahooSettings]) -> BarProvider:
    """Return the provider."""
    server = parts.settings.yahoo_base_url
    wire = connect_yahoo(server, parts.rate_limiter, connections=parts.connections)
    return YahooProvider(wire, concurrency=parts.concurrency)


def connect_yahoo(base_url: str, rate_limiter: RateLimiter, *, connections: int = 8) -> ProviderWire:
    """Return a wire to an address; nothing is opened yet."""
    client = HttpClient(base_url.rstrip("/"), timeout_s=30.0, max_bytes=_MOST_BYTES, connections=connections)
    return ProviderWire(client, YAHOO_SERVER, rate_limiter, headers=_HEADERS)
