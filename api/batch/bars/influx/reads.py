"""The port of what is asked of InfluxDB, whichever language it is asked in."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

import polars as pl

from batch.market.bar import BarSeries

#: A half-open range of whole seconds since 1970.
type Between = tuple[int, int]

#: What a point of `asked_…` holds: the session and when it was asked, in microseconds since 1970.
ASKED_ROW = pl.Schema({"symbol": pl.String(), "time": pl.Int64(), "bars": pl.Int64(), "at": pl.Int64()})

#: What a point of `actions` holds: the ex-session and when it was noted, in microseconds since 1970.
ACTION_ROW = pl.Schema(
    {
        "symbol": pl.String(),
        "time": pl.Int64(),
        "origin": pl.String(),
        "state": pl.String(),
        "factor": pl.Float64(),
        "at": pl.Int64(),
    }
)


class InfluxReads(Protocol):
    """Questions to one server. A measurement that is not there has no rows; a bucket that is not there is an error.

    Every method raises StoreError where the server refused, cut the result off, or did not answer.
    """

    async def bars(self, bucket: str, series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return whole bars in `BAR_SCHEMA`, sorted; where symbols are named, theirs at least."""
        ...

    async def newest(self, bucket: str, series: BarSeries, symbols: Sequence[str]) -> pl.DataFrame:
        """Return the newest bar of every symbol in `BAR_SCHEMA`, of these at least where some are named, sorted."""
        ...

    async def closes(self, bucket: str, series: BarSeries, symbols: Sequence[str], before_s: int) -> dict[str, float]:
        """Return the last close before a time, of these symbols at least."""
        ...

    async def cover(self, bucket: str, series: BarSeries, days: tuple[date, date]) -> pl.DataFrame:
        """Return what is held from the first to the last day in `COVERAGE_SCHEMA`, sorted; a session is a UTC day."""
        ...

    async def quarantine(self, bucket: str, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return refused rows in `QUARANTINE_SCHEMA`, sorted; where symbols are named, theirs at least."""
        ...

    async def asked(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        """Return what providers answered, in `ASKED_ROW`."""
        ...

    async def actions(self, bucket: str, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return notes of corporate actions in `ACTION_ROW`; where symbols are named, theirs at least."""
        ...

    async def sources(self, bucket: str) -> list[tuple[str, str]]:
        """Return each measurement of bars or refused rows with each source that it has."""
        ...

    async def field_types(self, bucket: str) -> dict[str, dict[str, str]]:
        """Return the measurements of bars, of each its fields and what InfluxQL calls their types."""
        ...

    async def counts(self, bucket: str, measurement: str, fields: Sequence[str]) -> Mapping[str, int]:
        """Return how many values each of some fields of a measurement has."""
        ...
