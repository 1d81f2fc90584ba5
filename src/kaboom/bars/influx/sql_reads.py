"""Queries of InfluxDB v3 in SQL, with results in Parquet."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from kaboom.bars.influx.frames import BAR_ROW, QUARANTINE_ROW, to_bars, to_quarantine
from kaboom.bars.influx.layout import parse_measurement
from kaboom.bars.influx.ql_reads import InfluxqlReads
from kaboom.bars.influx.reads import FETCH_LOG_ROW, Between, InfluxReads, note_row
from kaboom.bars.influx.sql import (
    FLAGS,
    SqlQuery,
    select_bars,
    select_closes,
    select_columns,
    select_counts,
    select_days,
    select_fetch_log,
    select_newest,
    select_notes,
    select_quarantine,
    select_sources,
)
from kaboom.bars.influx.target import InfluxQuery
from kaboom.bars.influx.wire import InfluxWire
from kaboom.bars.store import COVERAGE_SCHEMA
from kaboom.drivers.http.reply import Reply
from kaboom.market.bar import BarSeries

_CLOSE_ROW = pl.Schema({"symbol": pl.String(), "close": pl.Float64()})
_DAY_ROW = pl.Schema({**COVERAGE_SCHEMA, "session": pl.Int64(), "first_at": pl.Int64(), "last_at": pl.Int64()})
_COLUMN_ROW = pl.Schema({"table_name": pl.String(), "column_name": pl.String(), "data_type": pl.String()})
#: InfluxQL's names of the Arrow types of fields; a tag has none of these types.
_TYPES = {"Float64": "float", "Int64": "integer", "UInt64": "unsigned", "Utf8": "string", "Boolean": "boolean"}


def build_reads(wire: InfluxWire) -> InfluxReads:
    """Return the queries in the language of the target."""
    return SqlReads(wire) if wire.target.language is InfluxQuery.SQL else InfluxqlReads(wire)


@dataclass(frozen=True, slots=True)
class SqlReads:
    """`InfluxReads` in SQL."""

    wire: InfluxWire

    async def bars(self, bucket: str, series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return to_bars(await self._rows(bucket, select_bars(series, between, symbols), BAR_ROW))

    async def newest(self, bucket: str, series: BarSeries, symbols: Sequence[str]) -> pl.DataFrame:
        return to_bars(await self._rows(bucket, select_newest(series, symbols), BAR_ROW))

    async def closes(self, bucket: str, series: BarSeries, symbols: Sequence[str], before_s: int) -> dict[str, float]:
        rows = await self._rows(bucket, select_closes(series, symbols, before_s), _CLOSE_ROW)
        return dict(rows.iter_rows())

    async def coverage(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        rows = await self._rows(bucket, select_days(series, between), _DAY_ROW)
        covered = rows.with_columns(
            pl.col("session").cast(pl.Datetime("us")).dt.date(),
            pl.col("first_at", "last_at").cast(COVERAGE_SCHEMA["first_at"]),
            pl.col("flagged", FLAGS).fill_null(0),
        )
        return covered.sort("symbol", "session")

    async def quarantine(self, bucket: str, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
        return to_quarantine(await self._rows(bucket, select_quarantine(series, symbols), QUARANTINE_ROW))

    async def fetch_log(self, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
        return await self._rows(bucket, select_fetch_log(series, between), FETCH_LOG_ROW)

    async def notes(self, bucket: str, kind: tuple[str, str], source: str, symbols: Sequence[str]) -> pl.DataFrame:
        return await self._rows(bucket, select_notes(kind, source, symbols), note_row(kind))

    async def sources(self, bucket: str) -> list[tuple[str, str]]:
        tables = sorted({name for name in await self._columns(bucket) if parse_measurement(name)})
        found = []
        for table in tables:
            rows = await self._rows(bucket, select_sources(table), pl.Schema({"source": pl.String()}))
            found += [(table, source) for source in rows["source"]]
        return found

    async def field_types(self, bucket: str) -> dict[str, dict[str, str]]:
        return {
            table: {name: _TYPES[kind] for name, kind in columns.items() if kind in _TYPES}
            for table, columns in (await self._columns(bucket)).items()
        }

    async def counts(self, bucket: str, measurement: str, fields: Sequence[str]) -> dict[str, int]:
        held = (await self._columns(bucket, measurement)).get(measurement, {})
        there = [field for field in fields if field in held]
        if not there:
            return dict.fromkeys(fields, 0)
        schema = pl.Schema(dict.fromkeys(there, pl.Int64()))
        rows = await self._rows(bucket, select_counts(measurement, there), schema)
        return dict.fromkeys(fields, 0) | rows.row(0, named=True)

    async def _rows(self, bucket: str, query: SqlQuery, schema: pl.Schema) -> pl.DataFrame:
        """Return the rows of a statement; no rows if its table or a column has not been written yet.

        Error messages differ between versions, so after an error the columns are read. If all are there, the first
        point may just have been written, and the statement is tried again.
        """
        reply = await self.wire.query_sql(bucket, query.text())
        if reply.status != 200:
            held = (await self._columns(bucket, query.table)).get(query.table, {})
            if not query.needs <= held.keys():
                return schema.to_frame()
            reply = await self.wire.query_sql(bucket, query.text(has_flags=FLAGS in held))
        return await self._read(bucket, reply, schema)

    async def _columns(self, bucket: str, table: str | None = None) -> dict[str, dict[str, str]]:
        """Return the columns and their Arrow types of a table, or of all tables; nothing for a missing table."""
        reply = await self.wire.query_sql(bucket, select_columns(table))
        found: dict[str, dict[str, str]] = {}
        for name, column, kind in (await self._read(bucket, reply, _COLUMN_ROW)).iter_rows():
            found.setdefault(name, {})[column] = kind
        return found

    async def _read(self, bucket: str, reply: Reply, schema: pl.Schema) -> pl.DataFrame:
        if reply.status != 200:
            raise self.wire.error(reply, bucket)
        try:
            return await asyncio.to_thread(_to_rows, reply.body, schema)
        except pl.exceptions.PolarsError as e:
            raise self.wire.unreadable(bucket, f"the answer was not a complete Parquet file: {e}") from e


def _to_rows(body: bytes, schema: pl.Schema) -> pl.DataFrame:
    """Return a Parquet file's columns in a schema, times in microseconds; a missing column is null."""
    if not body:
        # v3's answer if there is no row.
        return schema.to_frame()
    found = pl.read_parquet(io.BytesIO(body))
    times = [name for name, kind in found.schema.items() if kind.is_temporal()]
    held = found.with_columns(pl.col(times).cast(pl.Datetime("us")).to_physical())
    return held.select(
        (pl.col(name) if name in held.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in schema.items()
    )
