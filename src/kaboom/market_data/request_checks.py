"""The checks of requests on stored bars in the API, before they are queued."""

from typing import TYPE_CHECKING

from kaboom.bars.history import check_as_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.indicators.request import IndicatorRequest
from kaboom.market.bounds import resolve_last_session
from kaboom.market_data.master_request import MasterRequest
from kaboom.market_data.mirror_request import MirrorRequest
from kaboom.market_data.roll_up_request import RollUpRequest
from kaboom.market_data.take_back_request import TakeBackRequest
from kaboom.providers.registry import check_has_master

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def check_session[R: (RollUpRequest, IndicatorRequest)](request: R, settings: "AppSettings") -> R:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the session is not a trading day or has not opened, or a symbol is not valid for the provider.

    """
    checked = request.filled(provider=request.provider or settings.provider)
    resolve_last_session(checked.session, utc_now(), is_tse=checked.is_tse, delay_s=0)
    return checked


def check_indicators(request: IndicatorRequest, settings: "AppSettings") -> IndicatorRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the session is not a trading day or has not opened, a symbol is not valid for the provider, or
            bars cannot be read as of the moment.

    """
    checked = check_session(request, settings)
    check_as_of(checked.as_of, has_history=not settings.keeps_bars_in_influxdb)
    return checked


def check_mirror(request: MirrorRequest, settings: "AppSettings") -> MirrorRequest:
    """Return the request.

    Raises:
        InvalidRequest: bars cannot be read as of the moment.

    """
    check_as_of(request.as_of, has_history=not settings.keeps_bars_in_influxdb)
    return request


def check_take_back(request: TakeBackRequest, settings: "AppSettings") -> TakeBackRequest:
    """Return the request with its provider filled in."""
    return request.filled(provider=request.provider or settings.provider)


def check_symbols(request: MasterRequest, settings: "AppSettings") -> MasterRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the provider has no symbol master or lacks a setting, or the session is not a trading day or has
            not opened.

    """
    name = check_has_master(request.provider or settings.provider).name
    if lacking := settings.lacking_for(name):
        raise InvalidRequest(lacking, pointer="/provider")
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request.filled(provider=name)
