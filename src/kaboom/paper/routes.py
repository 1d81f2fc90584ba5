"""`/api/v1/portfolios/{portfolio_id}/paper`: the strategy that a portfolio follows, and its sessions."""

from typing import Annotated

from fastapi import Query

from kaboom.errors import NotFound
from kaboom.jobs.deps import Caller, Jobs
from kaboom.paper.store import open_paper_books
from kaboom.paper.views import PaperQuery, PaperView, view_paper
from kaboom.portfolio.routes import ONE, PREFIX, READS, Loaded
from kaboom.web.routers import FeatureRouter

router = FeatureRouter(prefix=PREFIX, tags=["portfolios"])


@router.get("/{portfolio_id}/paper", responses=ONE, dependencies=READS)
async def get_paper(portfolio: Loaded, jobs: Jobs, caller: Caller, query: Annotated[PaperQuery, Query()]) -> PaperView:
    """Show which strategy a portfolio follows, and how far it is from the backtest of it; 404 if it follows none."""
    store = jobs.parts.database.open(open_paper_books)
    book = await store.load(caller.owner, portfolio.portfolio_id)
    if book is None:
        raise NotFound(f"portfolio {portfolio.name} follows no strategy: the job backtest.paper begins one")
    return view_paper(book, await store.list_sessions(book, limit=query.limit))
