"""The job types of backtests; the API and the workers load them, and this module imports nothing heavy."""

from kaboom.backtest.check import check_backtest, run_scopes_of
from kaboom.backtest.request import BacktestRequest, SweepRequest
from kaboom.backtest.results import RunResult, SweepResult
from kaboom.jobs.job_type import JobType

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
