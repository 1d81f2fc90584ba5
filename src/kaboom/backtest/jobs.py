"""The job types of backtests; the API and the workers load them, and this module imports nothing heavy."""

from app.backtest.check import check_backtest, run_scopes_of
from app.backtest.results import RunResult, SweepResult
from app.jobs.job_type import JobType
from batch.backtest.request import BacktestRequest, SweepRequest

RUN = JobType(
    name="backtest.run",
    summary="Run a strategy over stored bars",
    notes="The result has the metrics; curves, trades and the report are files below `/api/v1/backtest/results`.",
    request=BacktestRequest,
    check=check_backtest,
    run_scopes_of=run_scopes_of,
    run="app.backtest.tasks:run",
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
    plan="app.backtest.tasks:plan_sweep",
    run_chunk="app.backtest.tasks:run_sweep_chunk",
    result=SweepResult,
    unit="trials",
    is_schedulable=True,
    example={"strategy": "sma_cross", "parameters": {"fast": [5, 10, 20], "slow": [20, 50]}, "symbols": ["7203"]},
)
