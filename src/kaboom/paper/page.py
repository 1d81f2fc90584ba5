"""The page of a paper portfolio: its equity beside that of the backtest, and what waits for the next session."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from kaboom.backtest.report.text import list_parameters
from kaboom.dashboard.charts import draw_growth
from kaboom.dashboard.page_request import HexId, Page, ask_names_of
from kaboom.jobs.deps import needs
from kaboom.paper.views import PaperView
from kaboom.portfolio.views import PortfolioView
from kaboom.text.catalogue import Language, gettext
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_API = "/api/v1/portfolios"
#: How many sessions the table has.
_ROWS = 60


@router.get("/portfolios/{portfolio_id}/paper", dependencies=[needs(Scope.PORTFOLIOS_READ)])
async def show_paper(page: Page, portfolio_id: HexId, limit: Annotated[int, Query(ge=1, le=2500)] = 1250) -> Response:
    """Show the sessions of a paper portfolio, or how to begin."""
    portfolio = (await page.api.get(PortfolioView, f"{_API}/{portfolio_id}")).data
    found = await page.api.get(PaperView, f"{_API}/{portfolio_id}/paper", limit=limit)
    if found.status != status.HTTP_404_NOT_FOUND:
        found.require()
    paper = found.view
    return await page.show(
        "portfolios/paper.html",
        portfolio=portfolio,
        paper=paper,
        rows=_ROWS,
        names=await ask_names_of(page, [each.symbol for each in paper.next_orders] if paper else []),
        list_parameters=list_parameters,
        chart=_draw(paper, page.viewer.language) if paper else "",
    )


def _draw(paper: PaperView, language: Language) -> str:
    """Return the growth of the portfolio beside that of the backtest; "" of less than two sessions."""
    items = paper.items[::-1]
    lines: list[tuple[str, list[float | None]]] = [
        (gettext("Portfolio", language), [each.equity / paper.cash for each in items]),
        (gettext("Backtest", language), [each.backtest_equity / paper.cash for each in items]),
    ]
    return draw_growth([each.session for each in items], lines, language)
