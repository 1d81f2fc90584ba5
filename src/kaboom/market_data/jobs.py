"""The job types on stored bars; the API and the workers load them, and this module imports nothing heavy."""

from typing import TYPE_CHECKING

from kaboom.bars.history import check_as_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.indicators.request import IndicatorRequest
from kaboom.jobs.job_type import JobType, retry_items, retry_unfinished
from kaboom.market.calendar import resolve_last_session
from kaboom.market_data.request import CompactRequest, MasterRequest, MirrorRequest, RollUpRequest, TakeBackRequest
from kaboom.market_data.results import (
    CompactResult,
    IndicatorResult,
    MirrorResult,
    RollUpResult,
    SymbolsResult,
    TakeBackResult,
)
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


ROLL_UP = JobType(
    name="market_data.roll_up",
    summary="Make 5m, 15m, 1h and 1d bars of the stored minutes, and compare the days with the provider's own",
    notes="They are kept apart from the provider's bars, as bars of `<provider>_from_1m`.",
    request=RollUpRequest,
    check=check_session,
    plan="kaboom.market_data.tasks.bars:plan_roll_up",
    run_chunk="kaboom.market_data.tasks.bars:roll_up",
    build_retry=retry_items("symbols", from_plan=("session",)),
    result=RollUpResult,
    lost_item="write_failed",
    is_schedulable=True,
    example={"intervals": {"5m": 1, "1d": 20}},
)

MIRROR = JobType(
    name="market_data.mirror",
    summary="Write the bars as files under the server's mirror folder, one for each month, of daily bars for each year",
    request=MirrorRequest,
    check=check_mirror,
    plan="kaboom.market_data.tasks.bars:plan_mirrors",
    run_chunk="kaboom.market_data.tasks.bars:mirror",
    build_retry=retry_unfinished,
    result=MirrorResult,
    unit="files",
    lost_item="write_failed",
    is_schedulable=True,
    example={"format": "parquet", "months": 2},
)

COMPACT = JobType(
    name="market_data.compact",
    summary="Drop bars that are older than you want to keep, and give unused space back",
    notes="`dry_run` shows what would be dropped.",
    request=CompactRequest,
    plan="kaboom.market_data.tasks.bars:plan_compact",
    run_chunk="kaboom.market_data.tasks.bars:compact",
    build_retry=retry_unfinished,
    result=CompactResult,
    unit="files",
    lost_item="write_failed",
    is_schedulable=True,
    example={"keep_days": {"1m": 90}, "dry_run": True},
)

REFRESH_SYMBOLS = JobType(
    name="market_data.refresh_symbols",
    summary="Take a provider's list of what is listed; the job's result says what has changed since the list before",
    notes="A list that seems to lack a part is not taken: the job fails, and its error says why.",
    request=MasterRequest,
    check=check_symbols,
    run="kaboom.market_data.tasks.symbols:refresh",
    result=SymbolsResult,
    is_schedulable=True,
    example={"provider": "jquants"},
)

TAKE_BACK = JobType(
    name="market_data.take_back",
    summary="Store rows in quarantine as bars after all: those of a rule, a symbol or a day, or all",
    notes="A row that cannot be a bar stays. `dry_run` counts.",
    request=TakeBackRequest,
    check=check_take_back,
    run="kaboom.market_data.tasks.bars:take_back",
    result=TakeBackResult,
    example={"interval": "1d", "provider": "file", "reason": "off_grid"},
)

INDICATORS = JobType(
    name="market_data.indicators",
    summary="Compute indicators of the stored bars, to a Parquet file for each symbol in the worker's data folder",
    request=IndicatorRequest,
    check=check_indicators,
    plan="kaboom.market_data.tasks.indicators:plan",
    run_chunk="kaboom.market_data.tasks.indicators:run_chunk",
    build_retry=retry_items("symbols", from_plan=("session",)),
    result=IndicatorResult,
    lost_item="write_failed",
    is_schedulable=True,
    example={"indicators": ["sma:25", "rsi:14"], "interval": "1d", "sessions": 250},
)
