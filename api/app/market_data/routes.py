"""`/api/v1/bars`, `/coverage`, `/symbols`, `/universe`, `/calendar`: the market as it is kept, read only."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.auth.scopes import Scope
from app.deps import needs
from app.errors import NOT_FOUND
from app.market_data.answers import Answers
from app.market_data.queries import BarsQuery, CalendarQuery, CoverageQuery, LatestQuery, SymbolsQuery, UniverseQuery
from app.market_data.schemas import (
    BarPage,
    CalendarView,
    CoveragePage,
    LatestBars,
    SymbolPage,
    UniverseView,
    describe_table,
)

_LISTED = "as_of,symbol,name,market,sector33,scale,is_topix500,is_listed,…\n2024-03-29,7203,トヨタ自動車,TSE_PRIME,…\n"

router = APIRouter(prefix="/api/v1", tags=["market"], dependencies=[needs(Scope.BARS_READ)])


# Before the symbol, which it would match.
@router.get(
    "/bars/latest",
    **describe_table(
        LatestBars, "provider,interval,symbol,opened_at,open,…\nsynthetic,1m,7203,2025-11-04T06:30:00Z,…\n"
    ),
)
async def latest_bars(answers: Answers, query: Annotated[LatestQuery, Query()]) -> Response:
    """Show the newest bar of every symbol, or of some, of one provider and interval."""
    return await answers.give(query, lambda desk, _: desk.bars.latest(query))


@router.get(
    "/bars/{symbol}",
    **describe_table(BarPage, "provider,interval,symbol,opened_at,open,…\nsynthetic,1m,7203,2025-11-04T00:00:00Z,…\n"),
)
async def list_bars(
    answers: Answers,
    symbol: Annotated[str, Path(min_length=1, max_length=20, description="such as 7203 or 285A")],
    query: Annotated[BarsQuery, Query()],
) -> Response:
    """List bars of one symbol, oldest first, raw or adjusted; `Link` leads to the next page.

    A bar is stamped with its start (`opened_at`, UTC). A symbol of which nothing is held has no items.
    """
    return await answers.give(query, lambda desk, place: desk.bars.bars(symbol, query, place))


@router.get(
    "/coverage",
    **describe_table(CoveragePage, "provider,interval,symbol,session,bars,…\nsynthetic,1m,7203,2025-11-04,327,…\n"),
)
async def show_coverage(answers: Answers, query: Annotated[CoverageQuery, Query()]) -> Response:
    """Show what is held of each symbol and session: bars, the first and the last, flags."""
    return await answers.give(query, lambda desk, place: desk.bars.coverage(query, place))


@router.get("/symbols", **describe_table(SymbolPage, _LISTED, NOT_FOUND))
async def list_symbols(answers: Answers, query: Annotated[SymbolsQuery, Query()]) -> Response:
    """List what JPX's newest list before a session names, of all TSE markets or of one."""
    return await answers.give(query, lambda desk, place: asyncio.to_thread(desk.references.symbols, query, place))


@router.get("/universe", **describe_table(UniverseView, _LISTED, NOT_FOUND))
async def show_universe(answers: Answers, query: Annotated[UniverseQuery, Query()]) -> Response:
    """Show the symbols of a market as of a session, whole: what an ingest of that session asks for."""
    return await answers.give(query, lambda desk, _: asyncio.to_thread(desk.references.universe, query))


@router.get("/calendar", **describe_table(CalendarView, "session,opens_at,…\n2025-11-04,2025-11-04T00:00:00Z,…\n"))
async def show_calendar(answers: Answers, query: Annotated[CalendarQuery, Query()]) -> Response:
    """Show the sessions of the TSE and their hours, in UTC; the calendar is right from 1990."""
    return await answers.give(query, lambda desk, _: asyncio.to_thread(desk.references.calendar, query))
