"""The result of an ingest job."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, Field

from kaboom.jobs.results import OfProvider, OfSpans, PlannedResult, Span


class Universe(BaseModel):
    """The source of the symbols; `age_days` is the age of the list of issues."""

    source: str
    as_of: date
    age_days: int | None = None
    market: str
    symbols: int
    delisted: int | None = Field(default=None, description="symbols of the list that were delisted before the session")
    left_out: list[str] | None = Field(
        default=None, description="what of the user's files is not stored: parts of no known symbol, tick volumes"
    )


class Sessions(Span):
    """The sessions of an interval."""

    count: int


class SessionGaps(BaseModel):
    """The symbols that lack bars in a session."""

    session: date
    symbols: int
    first_symbols: list[str]


class Gaps(BaseModel):
    """The missing bars of an interval that a backfill found; a cell is one symbol in one session."""

    cells: int
    symbols: int
    states: dict[str, int]
    sessions: list[SessionGaps]


class Outside(BaseModel):
    """The rows of own files that are of other days than those of the job."""

    rows: int
    of: int = Field(description="the rows of all days")
    first: date
    last: date


class IngestResult(PlannedResult, OfSpans, OfProvider):
    """The result of an ingest: its plan, and the outcomes so far."""

    universe: Universe
    sessions: Mapping[str, Sessions] = Field(description="by interval")
    outside: dict[str, Outside] | None = Field(default=None, description="of own files, by interval")
    gaps: dict[str, Gaps] | None = Field(default=None, description="of a backfill, by interval")
