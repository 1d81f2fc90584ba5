"""The port to queries of InfluxDB, in either query language."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from kaboom.market.bar import BarSeries

#: A half-open range of whole seconds since 1970.
type Between = tuple[int, int]

#: A point of `asked_…`: the session and when the provider was asked, in microseconds since 1970.
FETCH_LOG_ROW = pl.Schema({"symbol": pl.String(), "time": pl.Int64(), "bars": pl.Int64(), "at": pl.Int64()})


def note_row(kind: tuple[str, str]) -> pl.Schema:
    """Return the columns of a point of `ACTIONS` or `DIVIDENDS`; times are in microseconds since 1970."""
    texts = dict.fromkeys(("origin", "state"), pl.String())
    return pl.Schema({"symbol": pl.String(), "time": pl.Int64(), **texts, kind[1]: pl.Float64(), "at": pl.Int64()})


class InfluxReads(Protocol):
    """Queries of one server. A missing measurement has no rows; a missing bucket is an error.

    Every method raises StoreError if the server refused, cut the result off, or did not answer.
    """

    async def bars(self, bucket: str, series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return complete bars in `BAR_SCHEMA`, sorted; if symbols are named, at least theirs."""
        ...

    async def newest(self, bucket: str, series: BarSeries, symbols: Sequence[str]) -> pl.DataFrame:
        """Return the newest bar of every symbol in `BAR_SCHEMA`, sorted; if symbols are named, at least theirs."""
        ...

    async def closes(self, bucket: str, series: BarSeries, symbols: Sequence[str], before_s: int) -> dict[str, float]:
        """Return the last close before a time, at least of these symbols."""
        ...

    async def coverage(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        """Return the coverage of a range of whole days in `COVERAGE_SCHEMA`, sorted; a session is a UTC day."""
        ...

    async def quarantine(self, bucket: str, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return rejected rows in `QUARANTINE_SCHEMA`, sorted; if symbols are named, at least theirs."""
        ...

    async def fetch_log(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        """Return the fetch log, in `FETCH_LOG_ROW`."""
        ...

    async def notes(self, bucket: str, kind: tuple[str, str], source: str, symbols: Sequence[str]) -> pl.DataFrame:
        """Return notes of `ACTIONS` or `DIVIDENDS` in their `note_row`; if symbols are named, at least theirs."""
        ...

    async def sources(self, bucket: str) -> list[tuple[str, str]]:
        """Return each measurement of bars or rejected rows with each of its sources."""
        ...

    async def field_types(self, bucket: str) -> dict[str, dict[str, str]]:
        """Return the fields of each measurement of bars, and InfluxQL's names of their types."""
        ...

    async def counts(self, bucket: str, measurement: str, fields: Sequence[str]) -> Mapping[str, int]:
        """Return the number of values of some fields of a measurement."""
        ...
