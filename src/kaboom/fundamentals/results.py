"""The result of the job that takes statements and events."""

from datetime import date

from pydantic import Field

from kaboom.jobs.results import OfProvider, PlannedResult


class FundamentalsResult(PlannedResult, OfProvider):
    """The statements and events that were taken; the count `documents` has those that are new or have changed."""

    provider: str = Field(examples=["synthetic"])
    first: date | None = Field(description="the first day; null of symbols", examples=["2025-11-01"])
    last: date | None = Field(description="the last day; null of symbols", examples=["2025-11-04"])
    symbols: int = Field(description="symbols that were asked for; 0 of days", examples=[0])
