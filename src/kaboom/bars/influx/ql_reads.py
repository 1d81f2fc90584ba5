"""Queries in InfluxQL, at `/query`, which 1.x, 2.x and 3.x have in common."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import batched

import polars as pl

from kaboom.bars.influx.frames import BAR_ROW, QUARANTINE_ROW, to_bars, to_quarantine, to_rows
from kaboom.bars.influx.layout import tag_value
from kaboom.bars.influx.ql import (
    FIRST_S,
    LAST_S,
    MOST_SYMBOLS,
    count_fields,
    day_seconds,
    select_bars,
    select_closes,
    select_counts,
    select_edges,
    select_fetch_log,
    select_flagged,
    select_newest,
    select_notes,
    select_quarantine,
    show_fields,
    show_sources,
    show_symbols,
)
from kaboom.bars.influx.reads import FETCH_LOG_ROW, Between, note_row
from kaboom.bars.influx.responses import ResultSeries
from kaboom.bars.influx.target import InfluxApi
from kaboom.bars.influx.wire import InfluxWire
from kaboom.bars.store import COVERAGE_SCHEMA
from kaboom.market.bar import BarSeries, empty_bars

_CLOSE_ROW = pl.Schema({"symbol": pl.String(), "close": pl.Float64()})
#: Sessions in one request, whose text is part of a URL.
_AT_ONCE = 8
_KEY = ["symbol", "session"]
_TIME = COVERAGE_SCHEMA["first_at"]
_DAY_S = 86_400
#: How far back the steps reach: traded symbols have a point in the first, holidays or not. The last is all of history.
_STEPS_S = (14 * _DAY_S, 120 * _DAY_S)

type Ask = Callable[[Between, Sequence[str]], Awaitable[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class InfluxqlReads:
    """`InfluxReads` in InfluxQL."""

    wire: InfluxWire

    async def bars(self, bucket: str, series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return to_bars(await self._rows(bucket, select_bars(series, between, symbols), BAR_ROW))

    async def newest(self, bucket: str, series: BarSeries, symbols: Sequence[str]) -> pl.DataFrame:
        async def ask(between: Between, some: Sequence[str]) -> pl.DataFrame:
            return await self._rows(bucket, select_newest(series, between, some), BAR_ROW)

        if not symbols and self.wire.target.api is InfluxApi.V3:
            return to_bars(await ask((FIRST_S, LAST_S), ()))
        symbols = symbols or await self._symbols(bucket, series)
        if not symbols:
            return empty_bars()
        around_s = int(self.wire.clock().timestamp())
        return to_bars(await find_newest(ask, symbols, around_s=around_s, before_s=LAST_S))

    async def closes(self, bucket: str, series: BarSeries, symbols: Sequence[str], before_s: int) -> dict[str, float]:
        async def ask(between: Between, some: Sequence[str]) -> pl.DataFrame:
            return await self._rows(bucket, select_closes(series, between, some), _CLOSE_ROW)

        rows = await find_newest(ask, symbols, around_s=before_s, before_s=before_s)
        return dict(rows.iter_rows())

    async def coverage(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        return await cover_sessions(self.wire, bucket, series, between)

    async def quarantine(self, bucket: str, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return to_quarantine(await self._rows(bucket, select_quarantine(series, symbols), QUARANTINE_ROW))

    async def fetch_log(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        return await self._rows(bucket, select_fetch_log(series, between), FETCH_LOG_ROW)

    async def notes(self, bucket: str, kind: tuple[str, str], source: str, symbols: Sequence[str]) -> pl.DataFrame:
        return await self._rows(bucket, select_notes(kind, source, symbols), note_row(kind))

    async def sources(self, bucket: str) -> list[tuple[str, str]]:
        (found,) = await self.wire.query(bucket, show_sources())
        return [(series.name, str(source)) for series in found for _, source in series.rows]

    async def field_types(self, bucket: str) -> dict[str, dict[str, str]]:
        (found,) = await self.wire.query(bucket, show_fields())
        return {series.name: {str(name): str(kind) for name, kind in series.rows} for series in found}

    async def counts(self, bucket: str, measurement: str, fields: Sequence[str]) -> dict[str, int]:
        (found,) = await self.wire.query(bucket, count_fields(measurement, fields))
        if not found:
            return dict.fromkeys(fields, 0)
        # The first column is the time.
        return {name: int(n or 0) for name, n in zip(fields, found[0].rows[0][1:], strict=True)}

    async def _symbols(self, bucket: str, series: BarSeries) -> list[str]:
        (found,) = await self.wire.query(bucket, show_symbols(series))
        return sorted(str(symbol) for shown in found for _, symbol in shown.rows)

    async def _rows(self, bucket: str, text: str, schema: pl.Schema) -> pl.DataFrame:
        return to_rows((await self.wire.query(bucket, text))[0], schema)


async def cover_sessions(wire: InfluxWire, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
    """Return the coverage of a range of whole days in `COVERAGE_SCHEMA`; a session is a UTC day."""
    counts, flagged = await wire.query(bucket, select_counts(series, between), select_flagged(series, between))
    counted = _to_times(counts, "count", pl.Int64).rename({"count": "bars"}).filter(pl.col("bars") > 0)
    if counted.is_empty():
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    flags = _to_times(flagged, "flags", pl.UInt16).group_by(_KEY)
    edges = await _read_edges(wire, bucket, series, sorted(counted["session"].unique()))
    return (
        counted.drop("at")
        .join(edges, on=_KEY)
        .join(flags.agg(flagged=pl.len().cast(pl.Int64), flags=pl.col("flags").bitwise_or()), on=_KEY, how="left")
        .with_columns(pl.col("flagged").fill_null(0), pl.col("flags").fill_null(0).cast(pl.UInt16))
        .select(list(COVERAGE_SCHEMA))
        .sort(_KEY)
    )


async def _read_edges(wire: InfluxWire, bucket: str, series: BarSeries, sessions: list[date]) -> pl.DataFrame:
    """Return `first_at` and `last_at` of each symbol and session.

    Session by session, since InfluxQL replaces times by the day when it groups by day.
    """
    firsts, lasts = [], []
    for i in range(0, len(sessions), _AT_ONCE):
        some = sessions[i : i + _AT_ONCE]
        found = await wire.query(bucket, *(s for day in some for s in select_edges(series, day_seconds(day, day))))
        firsts += [_to_times(part, "first", pl.Float64) for part in found[::2]]
        lasts += [_to_times(part, "last", pl.Float64) for part in found[1::2]]
    edges = [pl.concat(frames).select(*_KEY, at) for frames, at in ((firsts, pl.col("at")), (lasts, pl.col("at")))]
    return edges[0].rename({"at": "first_at"}).join(edges[1].rename({"at": "last_at"}), on=_KEY)


def _to_times(found: list[ResultSeries], value: str, dtype: pl.DataType | type[pl.DataType]) -> pl.DataFrame:
    frame = to_rows(found, pl.Schema({"symbol": pl.String(), "time": pl.Int64(), value: dtype}))
    at = pl.col("time").cast(_TIME)
    return frame.select("symbol", at.dt.date().alias("session"), at.alias("at"), value)


# A server merges the points of every symbol from every shard that a query spans. A query of all symbols over all of
# history takes too long: 500 symbols over five years of weekly shards took 16 s, their newest two weeks 0.1 s.
async def find_newest(ask: Ask, symbols: Sequence[str], *, around_s: int, before_s: int) -> pl.DataFrame:
    """Return the newest point before `before_s` of each symbol that has one; `symbols` must not be empty.

    `ask` returns the newest points of a range, at least of some symbols, with a column `symbol`. The steps go back from
    `around_s`.
    """
    found, missing, end_s = list[pl.DataFrame](), list(map(tag_value, symbols)), before_s
    for start_s in (*(around_s - step_s for step_s in _STEPS_S), FIRST_S):
        asked, missing = missing, []
        for group in batched(asked, MOST_SYMBOLS):
            rows = (await ask((start_s, end_s), group)).filter(pl.col("symbol").is_in(group))
            found.append(rows)
            held = set(rows["symbol"])
            missing += [symbol for symbol in group if symbol not in held]
        end_s = start_s
    return pl.concat(found)
