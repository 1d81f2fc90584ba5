"""The worker's part of jobs on stored bars: compact, mirror, roll up, and take rows back from quarantine."""

from functools import partial
from typing import Any, Protocol, runtime_checkable

import polars as pl

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.engine.run.worker import Run, go_on, hand_out
from kaboom.jobs.model import Tally
from kaboom.market.bar import BAR_SCHEMA, VALUES, BarSeries
from kaboom.market_data.compact import CompactChunk, compact_chunk, plan_compaction
from kaboom.market_data.mirror import MirrorChunk, mirror_chunk, plan_mirror
from kaboom.market_data.request import CompactRequest, MirrorRequest, RollUpRequest, TakeBackRequest
from kaboom.market_data.results import TakeBackResult
from kaboom.market_data.roll_up import roll_up_chunk
from kaboom.market_data.roll_up_plan import RollUpChunk
from kaboom.market_data.roll_up_plan import plan_roll_up as plan_chunks

#: Above this a float cannot hold every whole number.
_MOST_VOLUME = 2.0**53


async def plan_compact(run: Run) -> None:
    """Plan a compaction in chunks."""
    settings = run.settings
    request = CompactRequest.parse(run.request).with_default(settings.keep_days)
    await hand_out(run, await plan_compaction(request, build_bar_store(settings), now=utc_now()))


async def compact(run: Run) -> Tally:
    """Run a chunk of a compaction, or continue it where an earlier claim stopped; return its tally."""
    chunk = CompactChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(compact_chunk, chunk, build_bar_store(run.settings)), stops_at_once=True)


async def plan_mirrors(run: Run) -> None:
    """Plan a mirror in chunks."""
    settings, request = run.settings, MirrorRequest.parse(run.request)
    await hand_out(run, await plan_mirror(request, build_bar_store(settings), settings.mirror_place, now=utc_now()))


async def mirror(run: Run) -> Tally:
    """Run a chunk of a mirror, or continue it where an earlier claim stopped; return its tally."""
    settings = run.settings
    chunk = MirrorChunk.from_payload(run.chunk.payload, run.chunk.items)
    work = partial(mirror_chunk, chunk, build_bar_store(settings), settings.mirror_place)
    return await go_on(run, work, stops_at_once=True)


async def plan_roll_up(run: Run) -> None:
    """Plan a roll-up in chunks."""
    settings, request = run.settings, RollUpRequest.parse(run.request)
    store, delay_s = build_bar_store(settings), settings.provider_delay_s
    await hand_out(run, await plan_chunks(request, store, now=utc_now(), delay_s=delay_s, slots=settings.slots))


async def roll_up(run: Run) -> Tally:
    """Run a chunk of a roll-up, or continue it where an earlier claim stopped; return its tally."""
    chunk = RollUpChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(roll_up_chunk, chunk, build_bar_store(run.settings)), stops_at_once=True)


async def take_back(run: Run) -> TakeBackResult:
    """Store rows in quarantine as bars, and return how many."""
    request = TakeBackRequest.parse(run.request)
    return TakeBackResult.model_validate(await take_rows_back(request, build_bar_store(run.settings)))


@runtime_checkable
class ReleasingStore(Protocol):
    """A store that can delete rejected rows."""

    async def release(self, series: BarSeries, rows: pl.DataFrame) -> int:
        """Delete rejected rows, by symbol, `opened_at` and reason; return how many there were."""
        ...


async def take_rows_back(request: TakeBackRequest, store: BarStore) -> dict[str, Any]:
    """Store the rows of a request that can be bars, then delete them from quarantine; return counts as JSON types.

    A row cannot be a bar, and stays, if it has no symbol, no price or no time in whole seconds, or if its volume is not
    a whole number. If the process is killed in between, a row is in both places; a second call deletes it from
    quarantine.

    Raises:
        InvalidRequest: the store cannot delete rejected rows.
        StoreError: the store cannot be read or written.

    """
    if not isinstance(store, ReleasingStore):
        raise InvalidRequest("bars are kept in InfluxDB, whose rejected rows Kaboom cannot delete")
    series = BarSeries(request.source, request.interval)
    rows = _select(await store.read_quarantine(series, request.symbol), request)
    good = rows.filter(_is_bar())
    if good.height and not request.dry_run:
        bars = good.with_columns(pl.col("volume").cast(pl.Int64), flags=pl.lit(0, pl.UInt16))
        await store.write(series, bars.select(list(BAR_SCHEMA)))
        await store.release(series, good)
    reasons = dict(good.group_by("reason").len().sort("reason").rows())
    about = {"provider": series.source, "interval": series.interval.value}
    return {**about, "taken_back": good.height, "left": rows.height - good.height, "reasons": reasons}


def _select(rows: pl.DataFrame, request: TakeBackRequest) -> pl.DataFrame:
    if request.reason is not None:
        rows = rows.filter(pl.col("reason") == request.reason)
    if request.session is not None:
        day = pl.col("opened_at").dt.convert_time_zone("Asia/Tokyo").dt.date()
        rows = rows.filter(day == request.session)
    return rows


def _is_bar() -> pl.Expr:
    volume, at = pl.col("volume"), pl.col("opened_at")
    is_whole = at.is_not_null() & (at.dt.microsecond() == 0) & at.dt.year().is_between(1900, 2999)
    is_count = volume.is_between(0, _MOST_VOLUME) & (volume == volume.floor())
    prices = [pl.col(name).is_finite() for name in VALUES[:4]]
    known = (pl.col("symbol") != "") & is_whole & is_count & pl.all_horizontal(prices)
    return known.fill_null(value=False)
