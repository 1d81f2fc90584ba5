"""The results of backtest jobs, and the answers of the backtest routes."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kaboom.backtest.examples import COMPARED, RUN, STRATEGIES, SWEEP
from kaboom.backtest.report.comparison import Comparison
from kaboom.backtest.request import STRATEGY_NAME
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.backtest.summary import RunSummary, SweepSummary, TestedBars
from kaboom.jobs.results import OfProvider, PlannedResult

#: Files of users that are listed.
_MOST_OWN = 500


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
    """The strategies that come with Kaboom, and the names of those in files of users."""

    model_config = ConfigDict(json_schema_extra={"example": STRATEGIES})

    items: list[StrategyView]
    own: list[str] | None = Field(
        default=None,
        description="the names of the files in `KABOOM_STRATEGIES_DIR` of the API; null where no folder is set, empty"
        " for callers without the scope `strategies:run`",
    )


def list_strategies(folder: Path | None = None, *, may_run_own: bool = False) -> StrategyList:
    """Return the strategies that come with Kaboom, by name, and the names of the files in a folder."""
    return StrategyList(
        own=None if folder is None else _list_own(folder) if may_run_own else [],
        items=[
            StrategyView(
                name=name,
                title=kind.title,
                description=(kind.__doc__ or "").strip(),
                parameters=kind.model_json_schema(),
            )
            for name, kind in sorted(PARAMETERS.items())
        ],
    )


def _list_own(folder: Path) -> list[str]:
    """Return the names of a folder's files, without those of strategies of Kaboom, which no request may name."""
    try:
        names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".py" and path.is_file())
    except OSError:
        return []
    return [name for name in names if re.fullmatch(STRATEGY_NAME, name) and name not in PARAMETERS][:_MOST_OWN]
