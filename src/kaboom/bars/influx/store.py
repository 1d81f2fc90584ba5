"""The bar store on an InfluxDB server, over HTTP: v2, and compatible v3 and v1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from kaboom.bars.influx.fetch_log import load_fetch_log, save_fetch_log
from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.line_writer import LineWriter
from kaboom.bars.influx.ql import day_seconds, seconds_between
from kaboom.bars.influx.verify import find_series, verify
from kaboom.bars.influx.write import write_bars, write_quarantine
from kaboom.bars.normalise import check_source
from kaboom.bars.store import COVERAGE_SCHEMA, StoreHealth, WriteReport
from kaboom.market.bar import BarSeries, empty_bars


@dataclass(frozen=True, slots=True)
class InfluxBarStore:
    """Bars on an InfluxDB server; `docs/reference/influxdb-layout.md` describes the layout.

    A write is not atomic: the server takes or refuses each line. Refused lines are in the report.
    """

    writer: LineWriter
    buckets: InfluxBuckets

    def with_points(self, points: int) -> "InfluxBarStore":
        """Return the same store with at most `points` points in one write request."""
        return replace(self, writer=replace(self.writer, points=points))

    async def write(self, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
        return await write_bars(self.writer, self._bucket(series), series, bars)

    async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
        return await write_quarantine(self.writer, self._bucket(series), series, rows)

    async def read_quarantine(self, series: BarSeries, symbol: str | None = None) -> pl.DataFrame:
        symbols = [] if symbol is None else [symbol]
        rows = await self.writer.reads.quarantine(self._bucket(series), series, symbols)
        return rows if symbol is None else rows.filter(pl.col("symbol") == symbol)

    async def read(self, series: BarSeries, symbol: str, *, start: datetime, end: datetime) -> pl.DataFrame:
        between = seconds_between(start, end)
        if between[0] >= between[1]:
            return empty_bars()
        bars = await self.writer.reads.bars(self._bucket(series), series, between, [symbol])
        return bars.filter(pl.col("symbol") == symbol)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        return await self.writer.reads.bars(self._bucket(series), series, day_seconds(session, session))

    async def read_sessions(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await self.writer.reads.bars(self._bucket(series), series, day_seconds(first, last))

    async def latest(self, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        newest = await self.writer.reads.newest(self._bucket(series), series, symbols)
        return newest.filter(pl.col("symbol").is_in(list(symbols))) if symbols else newest

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        if not symbols:
            return {}
        before_s, _ = day_seconds(before, before)
        closes = await self.writer.reads.closes(self._bucket(series), series, symbols, before_s)
        return {symbol: closes[symbol] for symbol in symbols if symbol in closes}

    async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        between = day_seconds(first, last)
        if between[0] >= between[1]:
            return pl.DataFrame(schema=COVERAGE_SCHEMA)
        return await self.writer.reads.coverage(self._bucket(series), series, between)

    async def save_fetch_log(self, series: BarSeries, fetches: pl.DataFrame) -> None:
        await save_fetch_log(self.writer, self._bucket(series), series, fetches)

    async def load_fetch_log(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        return await load_fetch_log(self.writer.reads, self._bucket(series), series, (first, last))

    async def list_series(self) -> tuple[BarSeries, ...]:
        return await find_series(self.writer.reads, self.buckets)

    async def version(self) -> str | None:
        return None  # other clients write to the server too

    async def verify(self) -> StoreHealth:
        wire = self.writer.wire
        return await verify(self.writer.reads, wire, self.buckets, now=wire.clock())

    async def close(self) -> None:
        await self.writer.wire.http.close()

    def _bucket(self, series: BarSeries) -> str:
        check_source(series.source)
        return self.buckets.of(series.interval)
