"""The check of a digest's request in the API, before it is queued."""

from typing import TYPE_CHECKING

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.market.bounds import resolve_last_session
from kaboom.toydigest.request import DigestRequest

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def check_digest(request: DigestRequest, settings: "AppSettings") -> DigestRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the market has no list of symbols, or the session is not a trading day or has not opened.

    """
    if not request.market.is_tse:
        raise InvalidRequest(f"market was {request.market}, expected one with a list of symbols", pointer="/market")
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request.filled(provider=request.provider or settings.provider)
