"""What the API checks of an analysis before a worker sees it."""

from typing import TYPE_CHECKING

from batch.analysis.request import AnalysisRequest
from batch.errors import InvalidRequest
from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session

if TYPE_CHECKING:
    from app.settings import AppSettings


def check_analysis(request: AnalysisRequest, settings: "AppSettings") -> AnalysisRequest:
    """Return the request with its provider.

    Raises:
        InvalidRequest: models are wanted and cannot be asked, the session is not one that has opened, or a symbol is
            not one of the provider's.

    """
    if request.analyst == "models" and not request.dry_run and (lacking := settings.lacking_for_models):
        raise InvalidRequest(f"analyst was models and {lacking}", pointer="/analyst")
    checked = request.filled(provider=request.provider or settings.provider)
    resolve_last_session(checked.session, utc_now(), is_tse=checked.is_tse, delay_s=0)
    return checked
