"""The check of a digest's request in the API, before it is queued."""

from typing import TYPE_CHECKING

from batch.errors import InvalidRequest
from batch.kit.clock import utc_now
from batch.market.bounds import resolve_last_session
from batch.toydigest.request import DigestRequest

if TYPE_CHECKING:
    from app.settings import AppSettings


def check_digest(request: DigestRequest, settings: "AppSettings") -> DigestRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the market has no list of symbols, or the session is not a trading day or has not opened.

    """
    if not request.market.is_tse:
        raise InvalidRequest(f"market was {request.market}, expected one with a list of symbols", pointer="/market")
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request.filled(provider=request.provider or settings.provider)
