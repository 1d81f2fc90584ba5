"""The job types of backtests; the API and the workers load them, and this module imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.backtest.factors.request import FactorRequest
from kaboom.backtest.factors.result import FactorResult
from kaboom.backtest.request import BacktestRequest, BarsAsked, SweepRequest
from kaboom.backtest.results import RunResult, SweepResult
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.bars.history import check_as_of
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import JobType
from kaboom.market.calendar import check_first, resolve_last_session
from kaboom.market.source import provider_of
from kaboom.providers.registry import check_has_disclosures
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
    check_strategy(request.strategy, settings)
    checked = request.filled(provider=request.provider or settings.provider)
    _check_bars(checked, settings)
    return checked


def check_strategy(name: str, settings: "AppSettings") -> None:
    """Refuse a strategy that workers cannot find.

    Raises:
        InvalidRequest: the strategy is unknown, or both one of Kaboom's and a file.

    """
    if name not in PARAMETERS and settings.strategies_dir is None:
        supported = ", ".join(PARAMETERS)
        raise InvalidRequest(f"strategy was {name!r}, supported are {supported}", pointer="/strategy")
    if name in PARAMETERS and settings.strategies_dir is not None:
        _check_no_file(settings.strategies_dir / f"{name}.py")


def check_factor(request: FactorRequest, settings: "AppSettings") -> FactorRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the market has no list of symbols; `last` is not a trading day or has not opened; the provider
            has no statements; or bars cannot be read as of the moment.

    """
    checked = request.filled(provider=request.provider or settings.provider)
    _check_bars(checked.to_bars(), settings)
    if checked.formula.statements:
        check_has_disclosures(provider_of(checked.source))
    return checked


def _check_bars(checked: BarsAsked, settings: "AppSettings") -> None:
    if checked.market is not None and not (checked.is_tse and checked.market.is_section):
        raise InvalidRequest(f"market was {checked.market}, whose symbols no list has: name some", pointer="/market")
    check_first(checked.first, utc_now())
    check_as_of(checked.as_of, has_history=not settings.keeps_bars_in_influxdb)
    try:
        resolve_last_session(checked.last, utc_now(), is_tse=checked.is_tse, delay_s=0)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/last") from e


def _check_no_file(file: Path) -> None:
    """Refuse a name that may mean either: the file would be ignored without a word."""
    if file.is_file():
        message = (
            f"strategy was {file.stem!r}, which is one of Kaboom's and a file of KABOOM_STRATEGIES_DIR: rename the file"
        )
        raise InvalidRequest(message, pointer="/strategy")


RUN = JobType(
    name="backtest.run",
    summary="Run a strategy over stored bars",
    notes="The result has the metrics; curves, trades and the report are files below `/api/v1/backtest/results`.",
    request=BacktestRequest,
    check=check_backtest,
    run_scopes_of=run_scopes_of,
    run="kaboom.backtest.tasks:run",
    result=RunResult,
    is_schedulable=True,
    example={"strategy": "sma_cross", "parameters": {"fast": 10, "slow": 20}, "symbols": ["7203"], "interval": "1d"},
)

SWEEP = JobType(
    name="backtest.sweep",
    summary="Run a strategy with every combination of some parameters, and keep the best",
    notes="What it found is at `/api/v1/backtest/results/{job_id}`, with the deflated Sharpe ratio of the best.",
    request=SweepRequest,
    check=check_backtest,
    run_scopes_of=run_scopes_of,
    plan="kaboom.backtest.tasks:plan_sweep",
    run_chunk="kaboom.backtest.tasks:run_sweep_chunk",
    result=SweepResult,
    unit="trials",
    is_schedulable=True,
    example={"strategy": "sma_cross", "parameters": {"fast": [5, 10, 20], "slow": [20, 50]}, "symbols": ["7203"]},
)

FACTORS = JobType(
    name="market_data.factors",
    summary="Measure how well a column orders the returns that follow",
    notes="By horizon: returns by quantile, information coefficient, turnover; docs/reference/factors.md.",
    request=FactorRequest,
    check=check_factor,
    run="kaboom.backtest.tasks:run_factors",
    result=FactorResult,
    is_schedulable=True,
    example={"expression": "change_20d", "market": "TSE_PRIME", "horizons": [1, 5, 20]},
)
