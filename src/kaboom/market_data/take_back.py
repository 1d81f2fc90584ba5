"""Taking rows back from quarantine: rows that can be bars are stored, and leave the quarantine."""

from typing import Any, Protocol, runtime_checkable

import polars as pl

from kaboom.bars.store import BarStore
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BAR_SCHEMA, VALUES, BarSeries
from kaboom.market_data.request import TakeBackRequest

#: Above this a float cannot hold every whole number.
_MOST_VOLUME = 2.0**53


@runtime_checkable
class ReleasingStore(Protocol):
    """A store that can delete rejected rows."""

    async def release(self, series: BarSeries, rows: pl.DataFrame) -> int:
        """Delete rejected rows, by symbol, `opened_at` and reason; return how many there were."""
        ...


async def take_back(request: TakeBackRequest, store: BarStore) -> dict[str, Any]:
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
