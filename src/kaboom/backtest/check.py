"""The checks of a backtest request in the API, before it is queued."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.backtest.request import BacktestRequest, SweepRequest
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.bars.history import check_as_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.market.bounds import check_first, resolve_last_session
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def run_scopes_of(request: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the scope that a caller needs to have a strategy run that is not one of Kaboom's: it is code of users."""
    return frozenset({Scope.STRATEGIES_RUN} if request.get("strategy") not in PARAMETERS else ())


def check_backtest[R: (BacktestRequest, SweepRequest)](request: R, settings: "AppSettings") -> R:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the strategy is unknown, or both one of Kaboom's and a file; the market has no list of symbols;
            `last` is not a trading day or has not opened; a symbol is not valid for the provider; or bars cannot be
            read as of the moment.

    """
    if request.strategy not in PARAMETERS and settings.strategies_dir is None:
        supported = ", ".join(PARAMETERS)
        raise InvalidRequest(f"strategy was {request.strategy!r}, supported are {supported}", pointer="/strategy")
    if request.strategy in PARAMETERS and settings.strategies_dir is not None:
        _check_no_file(settings.strategies_dir / f"{request.strategy}.py")
    checked = request.filled(provider=request.provider or settings.provider)
    if checked.market is not None and not (checked.is_tse and checked.market.is_section):
        raise InvalidRequest(f"market was {checked.market}, whose symbols no list has: name some", pointer="/market")
    check_first(checked.first, utc_now())
    check_as_of(checked.as_of, has_history=not settings.keeps_bars_in_influxdb)
    try:
        resolve_last_session(checked.last, utc_now(), is_tse=checked.is_tse, delay_s=0)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/last") from e
    return checked


def _check_no_file(file: Path) -> None:
    """Refuse a name that may mean either: the file would be ignored without a word."""
    if file.is_file():
        message = (
            f"strategy was {file.stem!r}, which is one of Kaboom's and a file of KABOOM_STRATEGIES_DIR: rename the file"
        )
        raise InvalidRequest(message, pointer="/strategy")
