"""The results of backtest jobs, and the answers of the backtest routes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.backtest.examples import COMPARED, RUN, STRATEGIES, SWEEP
from kaboom.backtest.report.comparing import Comparison
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.backtest.summary import RunSummary, SweepSummary, TestedBars
from kaboom.jobs.results import OfProvider, PlannedResult


class RunResult(RunSummary, OfProvider):
    """The result of a backtest."""

    model_config = ConfigDict(json_schema_extra={"example": RUN})


class FoundBySweep(SweepSummary):
    """The result of a sweep."""

    model_config = ConfigDict(json_schema_extra={"example": SWEEP})


class SweepResult(PlannedResult, TestedBars, OfProvider):
    """The plan of a sweep and its outcomes so far; the best trials are at `/api/v1/backtest/results/{job_id}`."""

    trials: int = Field(description="combinations that are run")
    combinations: int = Field(description="of the grid; those whose parameters do not go together are left out")
    rank_by: str


class RunsCompared(Comparison):
    """Runs side by side."""

    model_config = ConfigDict(json_schema_extra={"example": COMPARED})


class StrategyView(BaseModel):
    """A strategy: its name, and the JSON schema of its parameters."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]


class StrategyList(BaseModel):
    """The strategies that come with Kaboom."""

    model_config = ConfigDict(json_schema_extra={"example": STRATEGIES})

    items: list[StrategyView]


def list_strategies() -> StrategyList:
    """Return the strategies that come with Kaboom, by name."""
    return StrategyList(
        items=[
            StrategyView(
                name=name,
                title=kind.title,
                description=(kind.__doc__ or "").strip(),
                parameters=kind.model_json_schema(),
            )
            for name, kind in sorted(PARAMETERS.items())
        ]
    )
