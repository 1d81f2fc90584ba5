"""What the API checks of an analysis before a worker sees it."""

from typing import TYPE_CHECKING

from batch.analysis.request import AnalysisRequest
from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session

if TYPE_CHECKING:
    from app.settings import AppSettings


def check_analysis(request: AnalysisRequest, settings: "AppSettings") -> AnalysisRequest:
    """Return the request with its provider.

    Raises:
        InvalidRequest: the session is not one that has opened, or a symbol is not one of the provider's.

    """
    checked = request.filled(provider=request.provider or settings.provider)
    resolve_last_session(checked.session, utc_now(), is_tse=checked.is_tse, delay_s=0)
    return checked
