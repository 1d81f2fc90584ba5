"""The job types on stored bars; the API and the workers load them, and this module imports nothing heavy."""

from kaboom.indicators.request import IndicatorRequest
from kaboom.jobs.job_type import JobType, retry_items, retry_unfinished
from kaboom.market_data.compact_request import CompactRequest
from kaboom.market_data.master_request import MasterRequest
from kaboom.market_data.mirror_request import MirrorRequest
from kaboom.market_data.request_checks import (
    check_indicators,
    check_mirror,
    check_session,
    check_symbols,
    check_take_back,
)
from kaboom.market_data.results import (
    CompactResult,
    IndicatorResult,
    MirrorResult,
    RollUpResult,
    SymbolsResult,
    TakeBackResult,
)
from kaboom.market_data.roll_up_request import RollUpRequest
from kaboom.market_data.take_back_request import TakeBackRequest

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
