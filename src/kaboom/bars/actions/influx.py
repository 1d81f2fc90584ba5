"""Corporate actions in InfluxDB: points of their own measurement in the bucket of daily bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.influx.layout import ACTIONS, DIVIDENDS
from kaboom.bars.influx.line_writer import LineWriter, WriteSpec
from kaboom.bars.influx.lines import action_lines
from kaboom.bars.influx.target import Precision
from kaboom.bars.normalise import check_source
from kaboom.errors import StoreError


@dataclass(frozen=True, slots=True)
class InfluxActionStore:
    """Notes beside the bars, over the same connection; `docs/reference/influxdb-layout.md` describes the layout.

    `save` raises StoreError if the server refuses a note, for example because it is older than the retention.
    """

    writer: LineWriter
    bucket: str

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        check_source(source)
        if notes.is_empty():
            return
        encode, read_held = partial(action_lines, source), partial(self._read_held, source)
        spec = WriteSpec(self.bucket, Precision.SECOND, encode, read_held, list(NOTE_SCHEMA))
        refused = await self.writer.write(spec, notes)
        if refused.height:
            reason = refused["refusal"][0]
            raise StoreError(f"InfluxDB refused {refused.height} corporate actions: {reason}", retryable=False)

    async def load(self, source: str, symbols: Sequence[str] = ()) -> pl.DataFrame:
        check_source(source)
        reads = self.writer.reads
        factors = await reads.notes(self.bucket, ACTIONS, source, symbols)
        factors = factors.with_columns(amount=0.0, is_dividend=False)
        dividends = await reads.notes(self.bucket, DIVIDENDS, source, symbols)
        dividends = dividends.with_columns(factor=1.0, is_dividend=True)
        notes = pl.concat(found.select(*dividends.columns) for found in (factors, dividends))
        notes = notes.with_columns(
            pl.col("time").cast(pl.Datetime("us")).dt.date().alias("ex_session"),
            pl.col("at").cast(NOTE_SCHEMA["noted_at"]).alias("noted_at"),
        ).select(list(NOTE_SCHEMA))
        wanted = notes.filter(pl.col("symbol").is_in(list(symbols))) if symbols else notes
        return wanted.sort(KEY)

    async def close(self) -> None:
        await self.writer.wire.http.close()

    async def _read_held(self, source: str, rows: pl.DataFrame) -> pl.DataFrame:
        return await self.load(source, rows["symbol"].unique().to_list())
