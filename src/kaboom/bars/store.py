"""The ports to bar stores: reading and writing, compaction and repair, with their reports; and coverage of bars."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, datetime
from typing import Protocol, runtime_checkable

import polars as pl

from kaboom.drivers.stop import ShouldStop, never
from kaboom.market.bar import PLACE_SCHEMA, RAW_BAR_SCHEMA, VALUES, BarSeries

#: Coverage: one row per symbol and session with at least one bar.
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

#: The fetch log: one row per symbol and session that a provider was asked for, with the number of bars it returned, and
#: when it was asked. 0 bars means that nothing traded, or that the symbol was not listed: nothing is missing.
FETCH_LOG_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "bars": pl.Int64(),
        "asked_at": pl.Datetime("us", "UTC"),
    }
)

#: A report names at most this many corrections: a provider may correct half a million bars at once.
MOST_CORRECTIONS = 100

#: Rows that a hard quality rule rejected: the raw values, the reason, and the file and line if they came from a file.
#: Kept apart from the bars.
QUARANTINE_SCHEMA = pl.Schema({**RAW_BAR_SCHEMA, "reason": pl.String(), **PLACE_SCHEMA})


@dataclass(frozen=True, slots=True)
class RefusedBars:
    """Bars of one symbol that a store refused although it took others: how many, and the reason of the first."""

    symbol: str
    bars: int
    reason: str


@dataclass(frozen=True, slots=True)
class Correction:
    """A stored bar that a later fetch changed: open, high, low, close and volume before and after."""

    symbol: str
    opened_at: datetime
    old: tuple[float, ...]
    new: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WriteReport:
    """The result of a write: `written` bars are durable; `changed` of them replaced a bar with other values.

    `refused` names the other bars by symbol; a retry would not help. `corrected` counts the changed bars whose prices
    or volume differ, not only their flags; the first of them are in `corrections`.
    """

    written: int
    changed: int = 0
    refused: tuple[RefusedBars, ...] = ()
    corrected: int = field(default=0, compare=False)
    corrections: tuple[Correction, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class StoreFault:
    """One fault that a store's self-check found: its place, its description, and a command or sentence to repair it."""

    where: str
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The result of a store's self-check; `bytes` is None if the store cannot measure them."""

    pages: int
    bars: int
    bytes: int | None
    faults: tuple[StoreFault, ...]


class BarReader(Protocol):
    """A reader of bars: a store, or a store as it was known at a moment."""

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        """Return one symbol's bars with `start <= opened_at < end` (aware datetimes)."""
        ...

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Return every symbol's bars of one session."""
        ...

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return every symbol's bars from session `first` to `last` inclusive, in any order."""
        ...

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return the newest bar of every symbol, or of those named, one row each, sorted by symbol."""
        ...

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`."""
        ...


class BarStore(BarReader, Protocol):
    """A store of bars. Writes are idempotent; the last one wins, per symbol and `opened_at`."""

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        """Store bars in `BAR_SCHEMA`; on return the `written` ones are durable.

        Raises:
            InvalidRequest: the source's name is not a plain lower-case name.
            StoreError: some bars may not be stored; writing them again is safe, `retryable` says whether it may help.

        """
        ...

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        """Keep rejected rows in `QUARANTINE_SCHEMA`, by symbol, `opened_at` and reason; return how many are new."""
        ...

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        """Return rejected rows in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
        ...

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        """Return each symbol's last close in a session before `before`; a symbol without one is left out."""
        ...

    async def save_fetch_log(self, series: BarSeries, fetches: pl.DataFrame) -> None:
        """Add to the fetch log, in `FETCH_LOG_SCHEMA`; the newest entry of a symbol and session counts.

        Less durable than bars: lost entries only cause another fetch.
        """
        ...

    async def load_fetch_log(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        """Return the newest entry of each symbol and session in `FETCH_LOG_SCHEMA`, sorted by both."""
        ...

    async def list_series(self) -> tuple[BarSeries, ...]:
        """Return the series that hold a bar or a rejected row, sorted."""
        ...

    async def version(self) -> str | None:
        """Return a text that changes with every write of bars or of the fetch log; None if the store has none."""
        ...

    async def verify(self) -> StoreHealth:
        """Read everything back and return the faults."""
        ...

    async def close(self) -> None:
        """Release files, threads and connections."""
        ...


def report_replaced(taken: pl.DataFrame, held: pl.DataFrame, refused: tuple[RefusedBars, ...] = ()) -> WriteReport:
    """Return the report of a write that adds the bars `taken` to the bars `held`, both in `BAR_SCHEMA`."""
    both = taken.join(held, on=["symbol", "opened_at"], suffix="_old")
    changed, corrected = (
        both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_old") for name in names))
        for names in ((*VALUES, "flags"), VALUES)
    )
    first = corrected.sort("symbol", "opened_at").head(MOST_CORRECTIONS)
    olds = first.select(pl.col(f"{name}_old").cast(pl.Float64) for name in VALUES).rows()
    news = first.select(pl.col(name).cast(pl.Float64) for name in VALUES).rows()
    keys = first.select("symbol", "opened_at").rows()
    corrections = tuple(
        Correction(symbol, at, old, new) for (symbol, at), old, new in zip(keys, olds, news, strict=True)
    )
    return WriteReport(taken.height, changed.height, refused, corrected.height, corrections)


def count_sessions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return how many bars each symbol has in each session, in `COVERAGE_SCHEMA`.

    A session is the UTC date of `opened_at`, which is also the date in Japan: the TSE trades from 00:00 to 06:30 UTC.
    """
    counted = bars.group_by("symbol", pl.col("opened_at").dt.date().alias("session")).agg(
        pl.len().cast(pl.Int64).alias("bars"),
        pl.col("opened_at").min().alias("first_at"),
        pl.col("opened_at").max().alias("last_at"),
        (pl.col("flags") != 0).sum().cast(pl.Int64).alias("flagged"),
        pl.col("flags").bitwise_or().cast(pl.UInt16).alias("flags"),
    )
    return counted.select(list(COVERAGE_SCHEMA)).sort("symbol", "session")


@dataclass(frozen=True, slots=True)
class OldBars:
    """Bars older than a retention: how many sessions (years of daily bars), bars, pages and bytes."""

    buckets: int = 0
    bars: int = 0
    pages: int = 0
    bytes: int = 0

    def __add__(self, other: "OldBars") -> "OldBars":
        """Return the sum of each number."""
        return OldBars(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Compaction:
    """The compaction of one shard: the dropped bars, and its size on the disk before and after."""

    dropped: OldBars
    bytes_before: int = 0
    bytes_after: int = 0


@runtime_checkable
class CompactableStore(Protocol):
    """A store that keeps its bars in shards.

    Only whole sessions are dropped, or whole years of daily bars. Other processes may read and write meanwhile.
    """

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        """Return the names of a series' shards, oldest first."""
        ...

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        """Count the bars of a shard in sessions before a day; daily bars in years before the year of that day."""
        ...

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        """Drop the bars of a shard in sessions before a day, if one is given, and give unused space back.

        A second call does nothing more. If the process is killed, all of these bars are dropped or none. If
        `should_stop` turns true, no more space is given back.

        Raises:
            Stopped: `should_stop` turned true before anything was dropped.
            StoreError: no bars were dropped, or the dropped bars still take space.

        """
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars that were lost: of these symbols, from `first` to `last`.

    Attributes:
        symbols: the symbols; if those of the damaged file could not be read, all symbols of the source's other files.
        is_guess: whether the symbols are from the other files.

    """

    series: BarSeries
    symbols: tuple[str, ...]
    first: date
    last: date
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class RepairedItem:
    """A damaged file or page, and the result of its repair.

    Attributes:
        where: the file, or the page.
        fault: the damage.
        done: the action of the repair, as a sentence.
        kept: the file or the rows in the archive; "" if nothing was left to keep, and in a dry run.
        gaps: the bars that are missing now.

    """

    where: str
    fault: str
    done: str
    kept: str = ""
    gaps: tuple[Gap, ...] = ()


@runtime_checkable
class RepairableStore(Protocol):
    """A store that can repair damage while other processes read and write."""

    async def repair(self, *, is_dry: bool) -> tuple[RepairedItem, ...]:
        """Move all damaged files and pages to the archive, and return them; a dry run changes nothing.

        The archive is never deleted. A second repair finds nothing to do.

        Raises:
            StoreError: a file could not be locked, read or written; earlier repairs of the same call stay.

        """
        ...
