"""What the API checks of an analysis before a worker sees it."""

from typing import TYPE_CHECKING

from app.auth.scopes import Scope
from batch.analysis.request import AnalysisRequest
from batch.errors import InvalidRequest
from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session

if TYPE_CHECKING:
    from app.settings import AppSettings


#: Why a portfolio is not sent.
POSITIONS_STAY = "KABOOM_AI_SEND_POSITIONS is false: what a portfolio holds is not sent to models"


def scopes_of(request: AnalysisRequest) -> frozenset[Scope]:
    """Return what a caller needs besides: a portfolio is read for those alone who may read it."""
    return frozenset({Scope.PORTFOLIOS_READ} if request.portfolio_id is not None else ())


def check_analysis(request: AnalysisRequest, settings: "AppSettings") -> AnalysisRequest:
    """Return the request with its provider.

    Raises:
        InvalidRequest: models are wanted and cannot be asked, the session is not one that has opened, or a symbol is
            not one of the provider's.

    """
    lacking = settings.lacking_for_models
    if request.portfolio_id is not None and not settings.ai_send_positions:
        lacking = lacking or POSITIONS_STAY
    if request.analyst == "models" and not request.dry_run and lacking:
        raise InvalidRequest(f"analyst was models and {lacking}", pointer="/analyst")
    if request.portfolio_id is not None and request.provider is None:
        # The portfolio's own, which the worker knows.
        return request
    checked = request.filled(provider=request.provider or settings.provider)
    resolve_last_session(checked.session, utc_now(), is_tse=checked.is_tse, delay_s=0)
    return checked
