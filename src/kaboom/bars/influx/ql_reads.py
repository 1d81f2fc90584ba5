"""Queries in InfluxQL, at `/query`, which 1.x, 2.x and 3.x have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from kaboom.bars.influx.coverage import cover_sessions
from kaboom.bars.influx.frames import BAR_ROW, QUARANTINE_ROW, to_bars, to_quarantine, to_rows
from kaboom.bars.influx.newest import find_newest
from kaboom.bars.influx.ql import (
    FIRST_S,
    LAST_S,
    count_fields,
    select_bars,
    select_closes,
    select_fetch_log,
    select_newest,
    select_notes,
    select_quarantine,
    show_fields,
    show_sources,
    show_symbols,
)
from kaboom.bars.influx.reads import FETCH_LOG_ROW, Between, note_row
from kaboom.bars.influx.target import InfluxApi
from kaboom.bars.influx.wire import InfluxWire
from kaboom.market.bar import BarSeries, empty_bars

_CLOSE_ROW = pl.Schema({"symbol": pl.String(), "close": pl.Float64()})


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
