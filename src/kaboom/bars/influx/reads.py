"""Queries in InfluxQL, at `/query`, which 1.x, 2.x and 3.x have in common; their results as frames."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import batched
from typing import Any

import orjson
import polars as pl

from kaboom.bars.influx.layout import FIELDS, tag_value
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
from kaboom.bars.influx.responses import ResultSeries
from kaboom.bars.influx.target import InfluxApi
from kaboom.bars.influx.wire import InfluxWire
from kaboom.bars.store import COVERAGE_SCHEMA, QUARANTINE_SCHEMA
from kaboom.market.bar import PRICES, VALUES, BarSeries, empty_bars

#: A half-open range of whole seconds since 1970.
type Between = tuple[int, int]

#: A point of `asked_…`: the session and when the provider was asked, in microseconds since 1970.
_FETCH_LOG_ROW = pl.Schema({"symbol": pl.String(), "time": pl.Int64(), "bars": pl.Int64(), "at": pl.Int64()})
#: Points of bars as they are read: times in microseconds since 1970, and null if a point lacks the field.
_BAR_ROW = pl.Schema({"symbol": pl.String(), "time": pl.Int64(), **dict.fromkeys(FIELDS, pl.Float64())})
#: Points of rejected rows.
_QUARANTINE_ROW = pl.Schema({"time": pl.Int64(), "undated": pl.String(), "reason": pl.String(), "row": pl.String()})
_CLOSE_ROW = pl.Schema({"symbol": pl.String(), "close": pl.Float64()})
#: Sessions in one request, whose text is part of a URL.
_AT_ONCE = 8
_KEY = ["symbol", "session"]
_BAR_KEY = ["symbol", "opened_at"]
_TIME = COVERAGE_SCHEMA["first_at"]
_DAY_S = 86_400
#: How far back the steps reach: traded symbols have a point in the first, holidays or not. The last is all of history.
_STEPS_S = (14 * _DAY_S, 120 * _DAY_S)

type _Ask = Callable[[Between, Sequence[str]], Awaitable[pl.DataFrame]]


def _note_row(kind: tuple[str, str]) -> pl.Schema:
    """Return the columns of a point of `ACTIONS` or `DIVIDENDS`; times are in microseconds since 1970."""
    texts = dict.fromkeys(("origin", "state"), pl.String())
    return pl.Schema({"symbol": pl.String(), "time": pl.Int64(), **texts, kind[1]: pl.Float64(), "at": pl.Int64()})


@dataclass(frozen=True, slots=True)
class InfluxReads:
    """Queries of one server. A missing measurement has no rows; a missing bucket is an error.

    Every method raises StoreError if the server refused, cut the result off, or did not answer.
    """

    wire: InfluxWire

    async def bars(self, bucket: str, series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return complete bars in `BAR_SCHEMA`, sorted; if symbols are named, at least theirs."""
        return _to_bars(await self._rows(bucket, select_bars(series, between, symbols), _BAR_ROW))

    async def newest(self, bucket: str, series: BarSeries, symbols: Sequence[str]) -> pl.DataFrame:
        """Return the newest bar of every symbol in `BAR_SCHEMA`, sorted; if symbols are named, at least theirs."""

        async def ask(between: Between, some: Sequence[str]) -> pl.DataFrame:
            return await self._rows(bucket, select_newest(series, between, some), _BAR_ROW)

        if not symbols and self.wire.target.api is InfluxApi.V3:
            return _to_bars(await ask((FIRST_S, LAST_S), ()))
        symbols = symbols or await self._symbols(bucket, series)
        if not symbols:
            return empty_bars()
        around_s = int(self.wire.clock().timestamp())
        return _to_bars(await _find_newest(ask, symbols, around_s=around_s, before_s=LAST_S))

    async def closes(self, bucket: str, series: BarSeries, symbols: Sequence[str], before_s: int) -> dict[str, float]:
        """Return the last close before a time, at least of these symbols."""

        async def ask(between: Between, some: Sequence[str]) -> pl.DataFrame:
            return await self._rows(bucket, select_closes(series, between, some), _CLOSE_ROW)

        rows = await _find_newest(ask, symbols, around_s=before_s, before_s=before_s)
        return dict(rows.iter_rows())

    async def coverage(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        """Return the coverage of a range of whole days in `COVERAGE_SCHEMA`, sorted; a session is a UTC day."""
        return await _cover_sessions(self.wire, bucket, series, between)

    async def quarantine(self, bucket: str, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        """Return rejected rows in `QUARANTINE_SCHEMA`, sorted; if symbols are named, at least theirs."""
        return _to_quarantine(await self._rows(bucket, select_quarantine(series, symbols), _QUARANTINE_ROW))

    async def fetch_log(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        """Return the fetch log, in `_FETCH_LOG_ROW`."""
        return await self._rows(bucket, select_fetch_log(series, between), _FETCH_LOG_ROW)

    async def notes(self, bucket: str, kind: tuple[str, str], source: str, symbols: Sequence[str]) -> pl.DataFrame:
        """Return notes of `ACTIONS` or `DIVIDENDS` in their `_note_row`; if symbols are named, at least theirs."""
        return await self._rows(bucket, select_notes(kind, source, symbols), _note_row(kind))

    async def sources(self, bucket: str) -> list[tuple[str, str]]:
        """Return each measurement of bars or rejected rows with each of its sources."""
        (found,) = await self.wire.query(bucket, show_sources())
        return [(series.name, str(source)) for series in found for _, source in series.rows]

    async def field_types(self, bucket: str) -> dict[str, dict[str, str]]:
        """Return the fields of each measurement of bars, and InfluxQL's names of their types."""
        (found,) = await self.wire.query(bucket, show_fields())
        return {series.name: {str(name): str(kind) for name, kind in series.rows} for series in found}

    async def counts(self, bucket: str, measurement: str, fields: Sequence[str]) -> dict[str, int]:
        """Return the number of values of some fields of a measurement."""
        (found,) = await self.wire.query(bucket, count_fields(measurement, fields))
        if not found:
            return dict.fromkeys(fields, 0)
        # The first column is the time.
        return {name: int(n or 0) for name, n in zip(fields, found[0].rows[0][1:], strict=True)}

    async def _symbols(self, bucket: str, series: BarSeries) -> list[str]:
        (found,) = await self.wire.query(bucket, show_symbols(series))
        return [str(symbol) for shown in found for _, symbol in shown.rows]

    async def _rows(self, bucket: str, text: str, schema: pl.Schema) -> pl.DataFrame:
        return _to_rows((await self.wire.query(bucket, text))[0], schema)


async def _cover_sessions(wire: InfluxWire, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
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
    frame = _to_rows(found, pl.Schema({"symbol": pl.String(), "time": pl.Int64(), value: dtype}))
    at = pl.col("time").cast(_TIME)
    return frame.select("symbol", at.dt.date().alias("session"), at.alias("at"), value)


# A server merges the points of every symbol from every shard that a query spans. A query of all symbols over all of
# history takes too long: 500 symbols over five years of weekly shards took 16 s, their newest two weeks 0.1 s.
async def _find_newest(ask: _Ask, symbols: Sequence[str], *, around_s: int, before_s: int) -> pl.DataFrame:
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


def _to_rows(found: Iterable[ResultSeries], schema: pl.Schema) -> pl.DataFrame:
    """Return the rows of all series in a schema that names some of their columns; a tag in GROUP BY is a column too."""
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    for series in found:
        values = list(zip(*series.rows, strict=True)) or [()] * len(series.columns)
        by_name = dict(zip(series.columns, values, strict=True))
        for name, column in columns.items():
            column.extend(by_name[name] if name in by_name else [series.tags.get(name)] * len(series.rows))
    return pl.DataFrame([pl.Series(name, columns[name], kind, strict=False) for name, kind in schema.items()])


def _to_bars(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in `_BAR_ROW` as sorted bars; rows without a price or the volume are left out."""
    bars = rows.drop_nulls([*VALUES, "symbol"]).select(
        "symbol",
        pl.col("time").cast(_TIME).alias("opened_at"),
        *PRICES,
        pl.col("volume").cast(pl.Int64),
        # Bars written by other programs may have no flags.
        pl.col("flags").fill_null(0).cast(pl.UInt16),
    )
    return bars.unique(_BAR_KEY, keep="last").sort(_BAR_KEY)


def _to_quarantine(found: pl.DataFrame) -> pl.DataFrame:
    """Return rows in `_QUARANTINE_ROW` in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
    rows = [
        (symbol, None if undated == "true" else time, *values[:5], reason, *(values[5:] or (None, None)))
        for time, undated, reason, (symbol, *values) in (
            (time, undated, reason, orjson.loads(row)) for time, undated, reason, row in found.iter_rows()
        )
    ]
    frame = pl.DataFrame(rows, schema={**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}, orient="row")
    return frame.with_columns(pl.col("opened_at").cast(_TIME)).sort("symbol", "opened_at", "reason")
