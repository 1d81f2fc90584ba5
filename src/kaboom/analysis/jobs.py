"""The job type of analyses; the API and the workers load it, and it imports nothing heavy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaboom.analysis.request import AnalysisRequest
from kaboom.analysis.results import AnalysisResult
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Queue
from kaboom.market.calendar import resolve_last_session
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


#: The reason why the positions of a portfolio are not sent to models.
POSITIONS_STAY = "KABOOM_AI_SEND_POSITIONS is false: what a portfolio holds is not sent to models"


def scopes_of(request: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the additional scopes that a caller needs: the analysis of a portfolio needs the scope to read it."""
    return frozenset({Scope.PORTFOLIOS_READ} if request.get("portfolio_id") is not None else ())


def about(request: Mapping[str, Any]) -> tuple[Queue, str] | None:
    """Return the queue and the id of the job to explain, if a request has one."""
    job_id = request.get("job_id")
    return None if job_id is None else (Queue(request["kind"]), job_id)


def check_analysis(request: AnalysisRequest, settings: "AppSettings") -> AnalysisRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the analyst is `models` and models cannot be asked, the session is not a trading day or has not
            opened, or a symbol is not valid for the provider.

    """
    lacking = settings.lacking_for_models
    if request.portfolio_id is not None and not settings.ai_send_positions:
        lacking = lacking or POSITIONS_STAY
    if request.analyst == "models" and not request.dry_run and lacking:
        raise InvalidRequest(f"analyst was models and {lacking}", pointer="/analyst")
    if request.portfolio_id is not None and request.provider is None:
        # The worker fills in the provider of the portfolio.
        return request
    checked = request.filled(provider=request.provider or settings.provider)
    resolve_last_session(checked.session, utc_now(), is_tse=checked.is_tse, delay_s=0)
    return checked


ANALYSE = JobType(
    name="ai_analysis.analyse",
    summary="Analyse symbols, a portfolio, an ingest job or a backtest, with sources for every number",
    notes=(
        "Without models, a local analyst answers by fixed rules. The result is information only, "
        "no investment advice, and starts nothing. `dry_run` shows what would be sent to models."
    ),
    request=AnalysisRequest,
    check=check_analysis,
    scopes_of=scopes_of,
    about=about,
    run="kaboom.analysis.tasks:analyse",
    result=AnalysisResult,
    is_schedulable=True,
    example={"kind": "technical", "symbols": ["7203"], "analyst": "rules", "language": "ja"},
)
