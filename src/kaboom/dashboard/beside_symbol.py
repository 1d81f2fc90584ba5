"""What stands beside the chart of a symbol: what the viewer has of it, and other symbols of its sector."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.labels import CompanyName, name_of
from kaboom.dashboard.page_request import OpenPage
from kaboom.fundamentals.views import FundamentalsView
from kaboom.jobs.api.view import JobPage
from kaboom.market.calendar import JST
from kaboom.market_data.schemas import ChartPage, ListedSymbol, SymbolPage, UniverseView
from kaboom.portfolio.views import (
    EntryView,
    PortfolioList,
    PortfolioView,
    PositionList,
    PositionView,
    TradePage,
)
from kaboom.web.auth.scopes import Scope

_PORTFOLIOS = "/api/v1/portfolios"
_MOST_PORTFOLIOS, _MOST_ROWS, _MOST_PEERS = 20, 5, 10
#: The statements of two years.
_MOST_STATEMENTS = 8
#: More than the longest closure: two sessions are in it.
_SPAN = timedelta(days=20)
#: Larger companies come first.
_SCALES = ("TOPIX Core30", "TOPIX Large70", "TOPIX Mid400", "TOPIX Small 1", "TOPIX Small 2")


@dataclass(frozen=True, slots=True)
class Peer:
    """A symbol of the same sector, with its newest daily close and the one before; None without bars."""

    symbol: str
    name: CompanyName
    close: float | None
    previous: float | None

    @property
    def change(self) -> float | None:
        """The change from the close before, in per cent."""
        return 100 * (self.close / self.previous - 1) if self.close and self.previous else None


@dataclass(frozen=True, slots=True)
class Holding:
    """A symbol in a portfolio: its position, if there is one, and its newest trades."""

    portfolio: PortfolioView
    position: PositionView | None
    trades: Sequence[EntryView]


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a chart; None where the viewer lacks the scope, or where the answer was a problem.

    Attributes:
        fundamentals: its newest statements and its events; None of a provider that has none.
        earlier, later: the symbols before and after it in the list of its market, by code; "" without one.

    """

    holdings: Sequence[Holding] | None
    backtests: Sequence[JobRow] | None
    analyses: Sequence[JobRow] | None
    fundamentals: FundamentalsView | None
    peers: Sequence[Peer]
    earlier: str
    later: str


async def ask_beside(page: OpenPage, symbol: str) -> Beside:
    """Ask for what stands beside the chart of a symbol, with the rights of the viewer."""
    holdings, backtests, analyses, fundamentals, (peers, earlier, later) = await asyncio.gather(
        _ask_holdings(page, symbol),
        _ask_jobs(page, "backtest", symbol),
        _ask_jobs(page, "ai_analysis", symbol),
        _ask_fundamentals(page, symbol),
        _ask_neighbours(page, symbol),
    )
    return Beside(holdings, backtests, analyses, fundamentals, peers, earlier, later)


async def _ask_holdings(page: OpenPage, symbol: str) -> Sequence[Holding] | None:
    if not page.viewer.may(Scope.PORTFOLIOS_READ):
        return None
    listed = await page.api.get(PortfolioList, _PORTFOLIOS)
    if not listed.is_ok:
        return None
    found = await asyncio.gather(*(_ask_holding(page, each, symbol) for each in listed.items[:_MOST_PORTFOLIOS]))
    return [each for each in found if each.position or each.trades]


async def _ask_holding(page: OpenPage, portfolio: PortfolioView, symbol: str) -> Holding:
    path = f"{_PORTFOLIOS}/{portfolio.id}"
    positions, trades = await asyncio.gather(
        page.api.get(PositionList, f"{path}/positions"),
        page.api.get(TradePage, f"{path}/trades", symbol=symbol, limit=_MOST_ROWS),
    )
    return Holding(portfolio, next((each for each in positions.items if each.symbol == symbol), None), trades.items)


async def _ask_jobs(page: OpenPage, queue: str, symbol: str) -> Sequence[JobRow] | None:
    if not page.viewer.may(Scope.JOBS_READ):
        return None
    found = await page.api.get(JobPage, "/api/v1/jobs", queue=queue, q=symbol, limit=_MOST_ROWS)
    return [JobRow(each) for each in found.items] if found.is_ok else None


async def _ask_fundamentals(page: OpenPage, symbol: str) -> FundamentalsView | None:
    found = await page.api.get(FundamentalsView, f"/api/v1/fundamentals/{symbol}", limit=_MOST_STATEMENTS)
    return found.data if found.is_ok else None


async def _ask_neighbours(page: OpenPage, symbol: str) -> tuple[Sequence[Peer], str, str]:
    """Return the largest symbols of the same sector and market, and the symbols before and after by code."""
    known = await page.api.get(SymbolPage, "/api/v1/symbols", q=symbol, limit=50)
    own = next((each for each in known.items if each.symbol == symbol), None)
    if own is None:
        return [], "", ""
    listed = (await page.api.get(UniverseView, "/api/v1/universe", market=own.market)).items
    codes = [each.symbol for each in listed]
    at = codes.index(symbol) if symbol in codes else -1
    earlier = codes[at - 1] if at > 0 else ""
    later = codes[at + 1] if 0 <= at < len(codes) - 1 else ""
    same = [each for each in listed if own.sector33_code and each.sector33_code == own.sector33_code]
    chosen = sorted((each for each in same if each.symbol != symbol and each.is_listed), key=_by_size)[:_MOST_PEERS]
    return await asyncio.gather(*(_ask_peer(page, each) for each in chosen)), earlier, later


def _by_size(listed: ListedSymbol) -> tuple[int, str]:
    return _SCALES.index(listed.scale) if listed.scale in _SCALES else len(_SCALES), listed.symbol


async def _ask_peer(page: OpenPage, listed: ListedSymbol) -> Peer:
    start = page.viewer.now.astimezone(JST).date() - _SPAN
    found: Reply[ChartPage] = await page.api.get(
        ChartPage, f"/api/v1/charts/{listed.symbol}", interval="1d", adjusted="true", start=start, limit=2
    )
    closes = [item["close"] for item in found.items]
    return Peer(
        listed.symbol,
        name_of(listed, page.viewer.language),
        close=closes[-1] if closes else None,
        previous=closes[-2] if len(closes) > 1 else None,
    )
