"""The port to stores that can drop old bars and give their space back, and the result."""

from dataclasses import astuple, dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from batch.kit.stop import ShouldStop, never
from batch.market.bar import BarSeries


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
    """The compaction of one shard: what was dropped, and its size on the disk before and after."""

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
        """Return what a shard holds of sessions before a day; of daily bars, of years before that day's."""
        ...

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        """Drop what a shard holds of sessions before a day, if one is given, and give unused space back.

        A second call does nothing more. A kill drops all or nothing of the shard. If `should_stop` turns true, no more
        space is given back.

        Raises:
            Stopped: `should_stop` turned true before anything was dropped.
            StoreError: nothing was dropped, or the dropped bars still take space.

        """
        ...
