"""The port to stores that can drop old bars and give their space back, and the result."""

from dataclasses import astuple, dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from kaboom.drivers.stop import ShouldStop, never
from kaboom.market.bar import BarSeries


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
