"""Daily bars of indices from J-Quants: all of a day in one request, or the days of one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from kaboom.market.indices import INDICES, NIKKEI_225
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.each import SymbolAnswer, ask_each
from kaboom.providers.jquants import query
from kaboom.providers.jquants.get import JquantsSource
from kaboom.providers.jquants.outcomes import traded, unfinished
from kaboom.providers.jquants.parse import expect_code, parse_index_days
from kaboom.providers.shaping import pick_sessions

#: The indices with a code at J-Quants; those that the key's plan does not include end as `not_listed`.
OFFERED = tuple(listing.symbol for listing in INDICES if listing.symbol != NIKKEI_225)
_NOT_SERVED = "J-Quants has no values of it on these days; some indices need another plan, and it has no Nikkei 225"


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
