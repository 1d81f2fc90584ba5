"""The kind of job that books a session of a paper portfolio; the API loads it, too."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaboom.backtest.jobs import check_strategy, run_scopes_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import JobType
from kaboom.market.calendar import closes_at, resolve_last_session
from kaboom.paper.request import PaperRequest
from kaboom.paper.results import PaperResult
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def check_paper(request: PaperRequest, settings: "AppSettings") -> PaperRequest:
    """Return the request.

    Raises:
        InvalidRequest: the strategy is unknown, the market has no list of symbols, or the session is not a trading day
            or has not closed.

    """
    check_strategy(request.strategy, settings)
    if request.market is not None and not request.market.is_section:
        raise InvalidRequest(f"market was {request.market}, whose symbols no list has: name some", pointer="/market")
    now = utc_now()
    resolve_last_session(request.session, now, is_tse=True, delay_s=0)
    if request.session and closes_at(request.session) > now:
        raise InvalidRequest(f"session was {request.session}, which has not closed", pointer="/session")
    return request


def scopes_of(_request: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the further scope for a job of a portfolio."""
    return frozenset({Scope.PORTFOLIOS_READ})


def run_scopes_of_paper(request: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the further scopes that a caller needs to have a session booked."""
    return run_scopes_of(request) | {Scope.PORTFOLIOS_WRITE}


PAPER = JobType(
    name="backtest.paper",
    summary="Book a session of a paper portfolio, which follows a strategy",
    notes="The orders of the close before are filled by the bars of the session, as in a backtest; no order leaves.",
    request=PaperRequest,
    check=check_paper,
    scopes_of=scopes_of,
    run_scopes_of=run_scopes_of_paper,
    run="kaboom.paper.tasks:run_paper",
    result=PaperResult,
    is_schedulable=True,
    example={
        "portfolio_id": "9d8e2f3b4c5d6e7f80903f1c0f5a6b4a",
        "strategy": "sma_cross",
        "symbols": ["7203"],
    },
)
