"""The port to where bars are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from batch.market.bar import BarSeries

#: Coverage: one row per symbol and session that holds at least one bar.
COVERAGE_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "bars": pl.Int64(),
        "first_at": pl.Datetime("us", "UTC"),
        "last_at": pl.Datetime("us", "UTC"),
        "flagged": pl.Int64(),
        "flags": pl.UInt16(),
    }
)

#: What a provider answered: one row per symbol and session of which it was asked, with how many bars it gave, and
#: when it was asked. 0 bars means that nothing traded, or that the symbol was not listed: nothing is missing.
ASKED_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "bars": pl.Int64(),
        "asked_at": pl.Datetime("us", "UTC"),
    }
)

#: A report names at most so many corrections; a restatement of everything has half a million.
MOST_CORRECTIONS = 100

#: Rows that a hard quality rule refused: the raw values, and why. Kept apart from the bars.
QUARANTINE_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "opened_at": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "reason": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class RefusedBars:
    """Bars of one symbol that a store would not take, though it took others: how many, and why the first of them."""

    symbol: str
    bars: int
    reason: str


@dataclass(frozen=True, slots=True)
class Correction:
    """A stored bar that a later answer replaced: open, high, low, close and volume before and after."""

    symbol: str
    opened_at: datetime
    old: tuple[float, ...]
    new: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a write did: `written` bars are durable; `changed` of them replaced a bar with other values.

    `refused` tells of the rest, by symbol; another try would not help them. Only a store that judges each bar
    by itself has any. `corrected` of the changed ones have other prices or another volume, not other flags alone;
    the first of them are in `corrections`.
    """

    written: int
    changed: int = 0
    refused: tuple[RefusedBars, ...] = ()
    corrected: int = field(default=0, compare=False)
    corrections: tuple[Correction, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class StoreFault:
    """One thing that a store's self-check found wrong: where, what, and what mends it.

    `mend` is a command, or a sentence where only a person can.
    """

    where: str
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The result of a store's self-check; a server over a network cannot tell its bytes."""

    pages: int
    bars: int
    bytes: int | None
    faults: tuple[StoreFault, ...]


class BarStore(Protocol):
    """Where bars are kept. Every write is idempotent and the last one wins, per symbol and `opened_at`."""

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        """Store bars in `BAR_SCHEMA`; when it returns the `written` ones are durable, when it raises none count.

        Raises:
            StoreError: nothing was acknowledged; `retryable` says whether to try again.

        """
        ...

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        """Keep refused rows in `QUARANTINE_SCHEMA` apart, once per symbol, `opened_at` and reason."""
        ...

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        """Return refused rows in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
        ...

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        """Return one symbol's bars with `start <= opened_at < end` (aware datetimes)."""
        ...

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Return every symbol's bars of one session."""
        ...

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return the newest bar of every symbol, or of those named, one row each, sorted by symbol."""
        ...

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        """Return each symbol's last close in a session before `before`; a symbol without one is left out."""
        ...

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return what is held from `first` to `last` inclusive, in `COVERAGE_SCHEMA`."""
        ...

    async def save_asked(self, series: BarSeries, asked: pl.DataFrame) -> None:
        """Keep what a provider answered, in `ASKED_SCHEMA`; of several answers on a cell the newest counts.

        A hint, and not as durable as bars: what is lost is asked for again.
        """
        ...

    async def load_asked(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return the newest answer on each symbol and session in `ASKED_SCHEMA`, sorted by both."""
        ...

    async def list_series(self) -> tuple[BarSeries, ...]:
        """Return the series that hold anything, sorted."""
        ...

    async def verify(self) -> StoreHealth:
        """Read everything back and say what is wrong with it."""
        ...

    async def close(self) -> None:
        """Release files and threads."""
        ...
