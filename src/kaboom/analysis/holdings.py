"""The holdings of a caller's portfolio, by symbol."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kaboom.analysis.facts.market import Holding
from kaboom.analysis.request import MOST_SYMBOLS, AnalysisRequest
from kaboom.analysis.run_job import load_splits
from kaboom.errors import InvalidRequest
from kaboom.portfolio.book import replay
from kaboom.portfolio.model import PortfolioStore

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


async def add_holdings(
    request: AnalysisRequest, portfolios: PortfolioStore, owner: str, settings: "AppSettings"
) -> tuple[AnalysisRequest, Mapping[str, Holding]]:
    """Return a request with its provider and symbols filled in, and the holdings of its portfolio today by symbol.

    A request without a portfolio is unchanged.

    Raises:
        NotFound: the owner has no such portfolio.
        InvalidRequest: the portfolio holds nothing, and no symbols were given.
        Conflict: a corporate action has changed since an entry was booked, and a position would be negative.
        StoreError: a store is unavailable.

    """
    if request.portfolio_id is None:
        return request, {}
    portfolio = await portfolios.load(owner, request.portfolio_id)
    entries = await portfolios.load_entries(owner, request.portfolio_id)
    splits = await load_splits(portfolio.provider, {entry.symbol for entry in entries if entry.symbol}, settings)
    book = await asyncio.to_thread(replay, entries, splits)
    open_ = {symbol: position for symbol, position in book.positions.items() if position.quantity}
    whole = sum(position.cost for position in open_.values()) or 1
    held = {
        symbol: Holding(at.quantity, float(at.cost / at.quantity), float(100 * at.cost / whole))
        for symbol, at in sorted(open_.items(), key=lambda each: -each[1].cost)
    }
    symbols = request.symbols or tuple(held)[:MOST_SYMBOLS]
    if not symbols:
        raise InvalidRequest("the portfolio holds nothing, and no symbols were given", pointer="/portfolio_id")
    return request.filled(provider=request.provider or portfolio.provider, symbols=list(symbols)), held
