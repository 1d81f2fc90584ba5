"""The stores of bars and corporate actions in memory: one frame per series, lost with the process."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.coverage.fetch_log import newest_fetches
from kaboom.bars.normalise import check_source, normalise_bars, normalise_quarantine, to_seconds
from kaboom.bars.store import (
    FETCH_LOG_SCHEMA,
    QUARANTINE_SCHEMA,
    Compaction,
    OldBars,
    StoreHealth,
    WriteReport,
    count_sessions,
    report_replaced,
)
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.stop import ShouldStop, check_stop, never
from kaboom.market.bar import BAR_SCHEMA, BarSeries, empty_bars

_KEY = ["symbol", "opened_at"]
_DAY = pl.col("opened_at").dt.date()
_SINCE = pl.Datetime("us", "UTC")
#: Every version of a bar, and the moment from which it was known.
_VERSION_SCHEMA = pl.Schema({**BAR_SCHEMA, "since": _SINCE})


class MemoryBarStore:
    """Bars in memory, with all the guarantees of `BarStore` except durability."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._versions: dict[BarSeries, pl.DataFrame] = {}
        self._bars: dict[BarSeries, pl.DataFrame] = {}
        self._refused: dict[BarSeries, pl.DataFrame] = {}
        self._fetches: dict[BarSeries, pl.DataFrame] = {}

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        check_source(series.source)
        bars = normalise_bars(bars)
        old = self._of(series)
        if len(bars):
            self._versions[series] = _add_versions(self._versions.get(series), old, bars, self._clock())
            self._bars[series] = normalise_bars(pl.concat([old, bars]))
        return report_replaced(bars, old)

    def known_at(self, moment: datetime) -> "MemoryBarStore":
        past = MemoryBarStore(clock=self._clock)
        past._bars = {series: _versions_at(found, moment) for series, found in self._versions.items()}
        return past

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        check_source(series.source)
        rows = normalise_quarantine(rows)
        old = self._refused.get(series, pl.DataFrame(schema=QUARANTINE_SCHEMA))
        merged = normalise_quarantine(pl.concat([old, rows]))
        if len(rows):
            self._refused[series] = merged
        return len(merged) - len(old)

    async def release(self, series: BarSeries, rows: pl.DataFrame) -> int:
        old = self._refused.get(series, pl.DataFrame(schema=QUARANTINE_SCHEMA))
        kept = old.join(rows, on=[*_KEY, "reason"], how="anti", nulls_equal=True)
        if old.height:
            self._refused[series] = kept
        return old.height - kept.height

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        rows = self._refused.get(series, pl.DataFrame(schema=QUARANTINE_SCHEMA))
        if symbol is not None:
            rows = rows.filter(pl.col("symbol") == symbol)
        return rows.sort("symbol", "opened_at", "reason")

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        at = pl.col("opened_at").to_physical() // 1_000_000
        within = (at >= to_seconds(start, "start")) & (at < to_seconds(end, "end"))
        return self._of(series).filter((pl.col("symbol") == symbol) & within)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return self._of(series).filter(session == _DAY)

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return self._of(series).filter(_DAY.is_between(first, last))

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        newest = self._of(series).group_by("symbol").tail(1).select(list(BAR_SCHEMA)).sort("symbol")
        return newest.filter(pl.col("symbol").is_in(list(symbols))) if symbols else newest

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        known = self._of(series).filter(before > _DAY, pl.col("symbol").is_in(list(symbols)))
        newest = known.group_by("symbol").tail(1)
        return dict(zip(newest["symbol"].to_list(), newest["close"].to_list(), strict=True))

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return count_sessions(self._of(series).filter(_DAY.is_between(first, last)))

    async def save_fetch_log(self, series: BarSeries, fetches: pl.DataFrame) -> None:
        both = pl.concat([self._fetches.get(series, pl.DataFrame(schema=FETCH_LOG_SCHEMA)), fetches])
        self._fetches[series] = newest_fetches(both)

    async def load_fetch_log(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        known = self._fetches.get(series, pl.DataFrame(schema=FETCH_LOG_SCHEMA))
        return known.filter(pl.col("session").is_between(first, last))

    async def list_series(self) -> tuple[BarSeries, ...]:
        return tuple(sorted(self._bars.keys() | self._refused.keys(), key=lambda s: (s.source, s.interval)))

    async def version(self) -> str | None:
        return None

    async def verify(self) -> StoreHealth:
        bars = sum(len(b) for b in self._bars.values())
        size = sum(int(b.estimated_size()) for b in self._bars.values())
        return StoreHealth(pages=0, bars=bars, bytes=size, faults=())

    async def shards(self, series: BarSeries) -> tuple[str, ...]:
        return ("all",) if series in self._bars or series in self._refused else ()

    async def older(self, series: BarSeries, shard: str, *, before: date) -> OldBars:
        bars = self._of(series).filter(_first_kept(series, before) > _DAY)
        bucket = _DAY if series.interval.is_intraday else _DAY.dt.year()
        pages = bars.select("symbol", bucket.alias("bucket")).unique()
        return OldBars(pages["bucket"].n_unique(), bars.height, pages.height, int(bars.estimated_size()))

    async def compact(
        self, series: BarSeries, shard: str, *, before: date | None, should_stop: ShouldStop = never
    ) -> Compaction:
        check_stop(should_stop)
        size = int(self._of(series).estimated_size())
        if before is None:
            return Compaction(OldBars(), size, size)
        dropped, first = await self.older(series, shard, before=before), _first_kept(series, before)
        kept = [(self._bars, first <= _DAY), (self._refused, (first <= _DAY) | pl.col("opened_at").is_null())]
        if series in self._versions:
            self._versions[series] = self._versions[series].filter(first <= _DAY)
        for frames, is_kept in [*kept, (self._fetches, pl.col("session") >= first)]:
            if series in frames:
                frames[series] = frames[series].filter(is_kept)
                if frames[series].is_empty():
                    del frames[series]
        return Compaction(dropped, size, int(self._of(series).estimated_size()))

    async def close(self) -> None:
        self._bars.clear()
        self._versions.clear()
        self._refused.clear()
        self._fetches.clear()

    def _of(self, series: BarSeries) -> pl.DataFrame:
        check_source(series.source)
        return self._bars.get(series, empty_bars())


def _first_kept(series: BarSeries, before: date) -> date:
    return before if series.interval.is_intraday else date(before.year, 1, 1)


def _add_versions(versions: pl.DataFrame | None, held: pl.DataFrame, bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return versions plus the `bars` that differ from the `held` ones; their moment is later than all others."""
    known = pl.DataFrame(schema=_VERSION_SCHEMA) if versions is None else versions
    last = known["since"].max()
    at = max(now, last + timedelta(microseconds=1)) if isinstance(last, datetime) else now
    new = bars.join(held, on=list(BAR_SCHEMA), how="anti", maintain_order="left")
    return pl.concat([known, new.with_columns(since=pl.lit(at, _SINCE))])


def _versions_at(versions: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return the bars that were known at a moment, in `BAR_SCHEMA`."""
    return normalise_bars(versions.filter(pl.col("since") <= moment).select(list(BAR_SCHEMA)))


class MemoryActionStore:
    """Notes in memory, with all the guarantees of `ActionStore` except durability."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._states: list[tuple[datetime, dict[str, pl.DataFrame]]] = []
        self._notes: dict[str, pl.DataFrame] = {}

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        check_source(source)
        both = pl.concat([await self.load(source), notes])
        self._notes[source] = both.unique(KEY, keep="last", maintain_order=True).sort(KEY)
        last = self._states[-1][0] if self._states else datetime.min.replace(tzinfo=UTC)
        self._states.append((max(self._clock(), last + timedelta(microseconds=1)), dict(self._notes)))

    def known_at(self, moment: datetime) -> "MemoryActionStore":
        past = MemoryActionStore(clock=self._clock)
        past._notes = next((notes for at, notes in reversed(self._states) if at <= moment), {})
        return past

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        notes = self._notes.get(source, pl.DataFrame(schema=NOTE_SCHEMA))
        return notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes

    async def close(self) -> None:
        self._notes.clear()
        self._states.clear()
