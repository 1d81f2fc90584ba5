"""The port to stores that can drop old bars and give their space back, and what that did."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from batch.kit.stop import ShouldStop, never
from batch.market.bar import BarSeries


@dataclass(frozen=True, slots=True)
class OldBars:
    """What is older than a retention, or was dropped: sessions (of daily bars: years), bars, pages, their bytes."""

    buckets: int = 0
    bars: int = 0
    pages: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Compaction:
    """What the compaction of one shard did: what it dropped, and its size on the disk before and after."""

    dropped: OldBars
    bytes_before: int = 0
    bytes_after: int = 0


@runtime_checkable
class CompactableStore(Protocol):
    """A store that keeps its bars in shards of its own, oldest first.

    Only whole sessions are dropped, and of daily bars whole years. Other processes may read and write meanwhile.
    """

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        """Return the names of what a series is kept in, oldest first."""
        ...

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        """Return what a shard holds of sessions before a day."""
        ...

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        """Drop what a shard holds of sessions before a day, if one is given, and give unused space back.

        Doing it again does nothing more. Killed in between, it has dropped all or nothing of the shard. Where
        `should_stop` turns true it gives no more space back.

        Raises:
            Stopped: it was stopped before anything was dropped.
            StoreError: nothing was dropped; or it was, and its space is still taken.

        """
        ...
