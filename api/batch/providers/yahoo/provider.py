"""The Yahoo provider: one chart a symbol, a few at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import chain

import polars as pl

from batch.market.action import CorporateAction
from batch.market.calendar import is_session
from batch.market.interval import Interval
from batch.market.outcome import Outcome, SymbolOutcome
from batch.market.universe import Market
from batch.providers.base import BarRequest, Capabilities, FetchedBars
from batch.providers.each import SymbolAnswer, ask_each, nothing_traded
from batch.providers.registry import get_provider_spec
from batch.providers.rows import SymbolRows, build_frame
from batch.providers.shaping import lengthen, of_sessions
from batch.providers.yahoo.get import YahooSource
from batch.providers.yahoo.parse import parse_chart, parse_splits
from batch.providers.yahoo.query import ask_charts

_NAME = "yahoo"


class YahooProvider:
    """A `BarProvider` over Yahoo's charts. Nothing is adjusted here; intervals between 1m and 1d are sums."""

    def __init__(self, source: YahooSource, *, concurrency: int | None = None) -> None:
        """Take a source, and how many requests to make at once; its own limit by default."""
        self._source = source
        self._capabilities = get_provider_spec(_NAME).capabilities.asked_at_once(concurrency)

    @property
    def name(self) -> str:
        """`"yahoo"`."""
        return _NAME

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self._capabilities

    async def fetch_universe(self, _market: Market, _session: date) -> tuple[str, ...] | None:
        """Return None: Yahoo has no list of issues."""
        return None

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return None: Yahoo has no calendar."""
        return None

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the bars of a request; days on which the exchange rests are not asked for.

        Raises:
            ProviderError: Yahoo failed for all of it.

        """
        sessions = tuple(sorted(day for day in set(request.sessions) if is_session(day)))
        if not request.symbols or not sessions:
            return nothing_traded(request.symbols)

        told: list[CorporateAction] = []

        async def ask(symbol: str) -> SymbolAnswer[list[SymbolRows]]:
            return await self._fetch_symbol(symbol, request.interval, sessions, told)

        answered = await ask_each(request.symbols, ask, concurrency=self.capabilities.concurrency or 1, join=_join)
        return replace(lengthen(answered, sessions, request.interval), actions=told)

    async def close(self) -> None:
        """Release the connections."""
        await self._source.close()

    async def _fetch_symbol(
        self, symbol: str, interval: Interval, sessions: Sequence[date], told: list[CorporateAction]
    ) -> SymbolAnswer[list[SymbolRows]]:
        if len(symbol) != len("7203"):
            return SymbolOutcome(symbol, Outcome.INVALID, message="Yahoo's name of preferred shares is not known")
        parts, said = list[SymbolRows](), set[Outcome]()
        for query in ask_charts(symbol, interval, sessions):
            answer = await self._source.fetch_chart(query)
            chart = parse_chart(answer, query)
            if isinstance(chart, SymbolOutcome):
                said.add(chart.outcome)
                continue
            parts.append(chart.pick(of_sessions(chart.opened_at_us, sessions, interval)))
            told += [split for split in parse_splits(answer, query) if split.ex_session in sessions]
        if not any(part.count for part in parts):
            return SymbolOutcome(symbol, Outcome.NOT_LISTED if said == {Outcome.NOT_LISTED} else Outcome.NO_TRADES)
        return parts


def _join(answers: Sequence[Sequence[SymbolRows]]) -> pl.DataFrame:
    return build_frame([*chain(*answers)])
