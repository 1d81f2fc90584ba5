"""The results of jobs on stored bars."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from kaboom.jobs.results import OfProvider, OfSession, OfSpans, PlannedResult, Span


class RollUpResult(PlannedResult, OfSpans, OfProvider):
    """The bars that were rolled up from minutes."""

    symbols: int


class MirroredFiles(BaseModel):
    """The written files of a series, by month (`2025-11`); those of daily bars by year."""

    source: str
    interval: str
    months: list[str]


class MirrorResult(PlannedResult):
    """The files that were written."""

    folder: str
    files: list[MirroredFiles]


class DroppedBars(BaseModel):
    """The bars of a series that were dropped."""

    source: str
    interval: str
    before: date | None
    sessions: int | None = None
    years: int | None = None
    bars: int
    bytes: int


class CompactResult(PlannedResult):
    """The bars that were dropped; `message` is the reason if nothing could be dropped."""

    drops: list[DroppedBars]
    message: str | None = None


class IndicatorResult(PlannedResult, OfSession, OfProvider):
    """The indicators that were computed, and the folder of their files."""

    interval: str
    adjusted: bool
    symbols: int
    sessions: Span
    columns: list[str]
    folder: str


class Change(BaseModel):
    """The issues with one kind of change: their number, and the first of them."""

    model_config = ConfigDict(extra="allow")

    count: int


class TakeBackResult(OfProvider):
    """The number of rejected rows that became bars."""

    model_config = ConfigDict(extra="forbid")

    interval: str
    taken_back: int = Field(description="rows that are bars now; of a dry run, that would be")
    left: int = Field(description="rows that cannot be bars, such as one without a price")
    reasons: dict[str, int] = Field(description="the rows taken back, by the rule that had rejected them")


class SymbolsResult(OfSession, OfProvider):
    """The changes that a new list of issues brought."""

    model_config = ConfigDict(extra="forbid")

    is_final: bool = True
    as_of: date
    source: str
    markets: dict[str, int] = Field(description="issues by market")
    previous: date | None = Field(description="the date of the list before; null without one")
    changes: dict[str, Change]
    path: str | None = Field(description="where the list was kept; null of a dry run")
