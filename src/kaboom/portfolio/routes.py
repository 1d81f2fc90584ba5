"""`/api/v1/portfolios`: portfolios, their positions and their values."""

from typing import Annotated

from fastapi import Depends, Query, Response, status

from kaboom.jobs.deps import Caller, Jobs, needs
from kaboom.portfolio.csv_file import format_csv
from kaboom.portfolio.model import Portfolio
from kaboom.portfolio.schemas import HistoryQuery, NewPortfolio, PortfolioPatch, PositionsQuery
from kaboom.portfolio.service import PortfolioDesk, desk_of, new_id
from kaboom.portfolio.views import (
    EquityHistory,
    PortfolioList,
    PortfolioView,
    PositionList,
    ValuationView,
    view_history,
    view_portfolio,
    view_positions,
    view_valuation,
)
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id

PREFIX = "/api/v1/portfolios"
READS, WRITES = [needs(Scope.PORTFOLIOS_READ)], [needs(Scope.PORTFOLIOS_WRITE)]
BODY = describe_problems(*OF_BODY, CONFLICT)
ONE = describe_problems(NOT_FOUND, INVALID)
#: 409 if a corporate action has changed since an entry was booked and a position would be negative.
DERIVED = ONE | describe_problems(CONFLICT)
_EXPORTED = "day,kind,symbol,quantity,price,fee,amount,note\r\n2025-11-04,buy,7203,200,2841.5,275,,\r\n"


PortfolioId = Annotated[str, hex_id("portfolio_id", "portfolio")]
Desk = Annotated[PortfolioDesk, Depends(desk_of)]


async def _load(desk: Desk, caller: Caller, portfolio_id: PortfolioId) -> Portfolio:
    return await desk.store.load(caller.owner, portfolio_id)


#: The portfolio that the path names; 404 if the caller's team has no such one.
Loaded = Annotated[Portfolio, Depends(_load)]

router = FeatureRouter(prefix=PREFIX, tags=["portfolios"])


@router.get("", dependencies=READS)
async def list_portfolios(desk: Desk, caller: Caller) -> PortfolioList:
    """List all portfolios, by name."""
    return PortfolioList(items=[view_portfolio(each) for each in await desk.store.list_portfolios(caller.owner)])


@router.post("", status_code=status.HTTP_201_CREATED, responses=BODY, dependencies=WRITES)
@logged_as(Action.CREATE_PORTFOLIO)
async def create_portfolio(
    desk: Desk, jobs: Jobs, caller: Caller, body: NewPortfolio, response: Response
) -> PortfolioView:
    """Create a portfolio, without cash."""
    provider = body.provider or jobs.parts.settings.provider
    new = Portfolio(new_id(), caller.owner, body.name, provider, body.lot, created_by=caller.subject)
    kept = await desk.store.add(new)
    response.headers["Location"] = f"{PREFIX}/{kept.portfolio_id}"
    return view_portfolio(kept)


@router.get("/{portfolio_id}", responses=ONE, dependencies=READS)
async def get_portfolio(portfolio: Loaded) -> PortfolioView:
    """Show one portfolio."""
    return view_portfolio(portfolio)


@router.patch("/{portfolio_id}", responses=ONE | BODY, dependencies=WRITES)
@logged_as(Action.RENAME_PORTFOLIO)
async def rename_portfolio(
    desk: Desk, caller: Caller, portfolio_id: PortfolioId, body: PortfolioPatch
) -> PortfolioView:
    """Rename a portfolio."""
    return view_portfolio(await desk.store.rename(caller.owner, portfolio_id, body.name))


@router.delete("/{portfolio_id}", status_code=status.HTTP_204_NO_CONTENT, responses=ONE, dependencies=WRITES)
@logged_as(Action.DELETE_PORTFOLIO)
async def delete_portfolio(desk: Desk, caller: Caller, portfolio_id: PortfolioId) -> None:
    """Delete a portfolio; its name is free again. This cannot be undone."""
    await desk.store.delete(caller.owner, portfolio_id)


@router.get("/{portfolio_id}/positions", responses=DERIVED, dependencies=READS)
async def list_positions(desk: Desk, portfolio: Loaded, query: Annotated[PositionsQuery, Query()]) -> PositionList:
    """Show the positions, with their cost by moving average and by FIFO lots, after all splits up to today."""
    book, _ = await desk.stand(portfolio)
    return view_positions(book, closed=query.closed)


@router.get("/{portfolio_id}/valuation", responses=DERIVED, dependencies=READS)
async def show_valuation(desk: Desk, portfolio: Loaded) -> ValuationView:
    """Show the value at the latest close of each position, with the time of the close and whether it is final."""
    return view_valuation(portfolio, await desk.value(portfolio))


@router.get("/{portfolio_id}/equity", responses=DERIVED, dependencies=READS)
async def show_equity(desk: Desk, portfolio: Loaded, query: Annotated[HistoryQuery, Query()]) -> EquityHistory:
    """Show the value of a portfolio at the close of each session."""
    days = await desk.history(portfolio, first=query.first, last=query.last)
    return view_history(portfolio, days)


@router.get(
    "/{portfolio_id}/export",
    response_class=Response,
    responses=ONE
    | {200: {"content": {"text/csv": {"schema": {"type": "string"}, "examples": {"rows": {"value": _EXPORTED}}}}}},
    dependencies=READS,
)
async def export_portfolio(desk: Desk, portfolio: Loaded) -> Response:
    """Return the entries in force as CSV, which can be imported; no cell is a formula in a spreadsheet."""
    text = format_csv(await desk.store.load_entries(portfolio.owner, portfolio.portfolio_id))
    name = f'attachment; filename="portfolio-{portfolio.portfolio_id}.csv"'
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})
