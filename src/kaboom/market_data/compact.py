"""Dropping bars beyond their retention and giving their space back: the plan, and one chunk of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from kaboom.bars.store import BarStore, CompactableStore, Compaction, OldBars
from kaboom.drivers.stop import ShouldStop, Stopped, never
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.market_data.request import CompactRequest

_NOT_OURS = (
    "nothing was done: InfluxDB itself drops old bars by the retention of its buckets, and compacts; set the retention"
    " there (`influx bucket update --retention`)"
)


@dataclass(frozen=True, slots=True)
class CompactChunk:
    """The shards of one series (`items`), oldest first; sessions before a day are dropped, if one is given."""

    series: BarSeries
    items: tuple[str, ...]
    before: date | None = None

    def payload(self) -> dict[str, Any]:
        """Return the chunk without its items as JSON types."""
        before = self.before.isoformat() if self.before else None
        return {"source": self.series.source, "interval": self.series.interval.value, "before": before}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], shards: Sequence[str]) -> "CompactChunk":
        """Return the chunk of a `payload`."""
        series = BarSeries(payload["source"], Interval(payload["interval"]))
        before = date.fromisoformat(payload["before"]) if payload["before"] else None
        return cls(series, tuple(shards), before)


@dataclass(frozen=True, slots=True)
class CompactPlan:
    """The plan of a request: the shards to compact, and the bars to drop, by series."""

    chunks: tuple[CompactChunk, ...] = ()
    drops: Mapping[BarSeries, OldBars] = field(default_factory=dict)
    message: str = ""

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        said = {"message": self.message} if self.message else {}
        return said | {
            "chunks": len(self.chunks),
            "drops": [
                {
                    "source": chunk.series.source,
                    "interval": chunk.series.interval.value,
                    "before": chunk.before.isoformat() if chunk.before else None,
                    "sessions" if chunk.series.interval.is_intraday else "years": old.buckets,
                    "bars": old.bars,
                    "bytes": old.bytes,
                }
                for chunk in self.chunks
                if (old := self.drops.get(chunk.series)) and old.bars
            ],
        }


async def plan_compaction(request: CompactRequest, store: BarStore, *, now: datetime) -> CompactPlan:
    """Return the plan of a request; the days to keep are counted back from today in Japan.

    Raises:
        StoreError: the store could not be read.

    """
    if not isinstance(store, CompactableStore):
        return CompactPlan(message=_NOT_OURS)
    today = now.astimezone(JST).date()
    chunks, drops = [], {}
    for series in await store.list_series():
        days = (request.keep_days or {}).get(series.interval)
        before = today - timedelta(days=days) if days else None
        shards = await store.shards(series)
        if shards:
            chunks.append(CompactChunk(series, shards, before))
        if before:
            old = [await store.older(series, shard, before=before) for shard in shards]
            drops[series] = sum(old, OldBars())
    return CompactPlan(tuple(chunks), drops)


async def compact_chunk(
    chunk: CompactChunk,
    store: BarStore,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: ShouldStop = never,
) -> OutcomeReport:
    """Compact a chunk from its shard number `start`; return the outcomes from there on.

    Raises:
        StoreError: a shard could not be locked or written, and another try may help.

    """
    report = OutcomeReport()
    for shard in chunk.items[start:]:
        if should_stop():
            break
        try:
            report += await _compact(chunk, store, shard, should_stop)
        except Stopped:
            break
        on_progress(report)
    return report


async def _compact(chunk: CompactChunk, store: BarStore, shard: str, should_stop: ShouldStop) -> OutcomeReport:
    if not isinstance(store, CompactableStore):
        return OutcomeReport((SymbolOutcome(shard, Outcome.WRITE_FAILED, message=_NOT_OURS),))
    try:
        done = await store.compact(chunk.series, shard, before=chunk.before, should_stop=should_stop)
    except StoreError as e:
        if e.retryable:
            raise
        return OutcomeReport((SymbolOutcome(shard, Outcome.WRITE_FAILED, message=e.message),))
    return OutcomeReport((SymbolOutcome(shard, Outcome.OK),), _count(done))


def _count(done: Compaction) -> dict[str, int]:
    counts = {
        "bars_dropped": done.dropped.bars,
        "pages_dropped": done.dropped.pages,
        "bytes_freed": max(0, done.bytes_before - done.bytes_after),
    }
    return {name: count for name, count in counts.items() if count}
