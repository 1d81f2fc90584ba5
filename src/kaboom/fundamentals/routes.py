"""`/api/v1/fundamentals`: what companies have disclosed, as it was known at a moment."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query

from kaboom.bars.history import check_moment
from kaboom.disclosures.model import DisclosureStore, newest_versions
from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.clock import utc_now
from kaboom.fundamentals.views import (
    CompanyEventView,
    FundamentalsQuery,
    FundamentalsView,
    MarketFundamentals,
    MarketQuery,
    StatementView,
)
from kaboom.jobs.deps import Jobs, needs, opened
from kaboom.market.calendar import JST
from kaboom.market.disclosure import CompanyEventKind
from kaboom.providers.registry import check_has_disclosures
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import INVALID, describe_problems
from kaboom.web.routers import FeatureRouter, view_of

#: Statements come four times a year; older ones are those of a company that has left.
_NEWEST = timedelta(days=400)

Store = Annotated[DisclosureStore, opened(open_disclosures)]

router = FeatureRouter(
    prefix="/api/v1/fundamentals",
    tags=["fundamentals"],
    dependencies=[needs(Scope.BARS_READ)],
    responses=describe_problems(INVALID),
)


@router.get("")
async def list_fundamentals(store: Store, jobs: Jobs, query: Annotated[MarketQuery, Query()]) -> MarketFundamentals:
    """List the newest statement of each symbol that was public at a moment, of the 400 days before it, by symbol."""
    spec = check_has_disclosures(query.provider or jobs.parts.settings.provider)
    now = utc_now()
    as_of = query.as_of or now
    check_moment(as_of, now)
    found = newest_versions(await store.list_versions(spec.name, since=as_of - _NEWEST, as_of=as_of))
    newest = list({statement.symbol: statement for statement in found}.values())
    items = [view_of(StatementView, statement) for statement in newest[: query.limit]]
    return MarketFundamentals(provider=spec.name, is_real=spec.is_real, as_of=as_of, items=items)


@router.get("/{symbol}")
async def show_fundamentals(
    store: Store,
    jobs: Jobs,
    symbol: Annotated[str, Path(min_length=1, max_length=20, description="such as 7203 or 285A")],
    query: Annotated[FundamentalsQuery, Query()],
) -> FundamentalsView:
    """Show the statements of a symbol that were public at a moment, its planned announcements and its dividends.

    A correction by the company is a statement of its own. If the provider has changed figures since they were taken,
    the old ones count until the moment at which the new ones were read.
    """
    spec = check_has_disclosures(query.provider or jobs.parts.settings.provider)
    code, now = spec.parse_symbol(symbol), utc_now()
    as_of = query.as_of or now
    check_moment(as_of, now)
    statements = await store.list_statements(spec.name, code, as_of=as_of, limit=query.limit)
    events = [view_of(CompanyEventView, event) for event in await store.list_events(spec.name, code, as_of=as_of)]
    today = as_of.astimezone(JST).date()
    planned = (each for each in events if each.kind is CompanyEventKind.ANNOUNCEMENT and each.day and each.day >= today)
    return FundamentalsView(
        symbol=code,
        provider=spec.name,
        is_real=spec.is_real,
        as_of=as_of,
        statements=[view_of(StatementView, statement) for statement in statements],
        next_announcement=next(planned, None),
        events=events,
    )
