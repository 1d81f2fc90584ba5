"""Writing bars and rejected rows to InfluxDB, and reporting changed and refused bars."""

from functools import partial

import polars as pl

from kaboom.bars.influx.layout import FIELDS
from kaboom.bars.influx.line_writer import LineWriter, WriteSpec
from kaboom.bars.influx.lines import bar_lines, quarantine_lines
from kaboom.bars.influx.target import Precision
from kaboom.bars.normalise import normalise_bars, normalise_quarantine, times_us
from kaboom.bars.store import RefusedBars, WriteReport
from kaboom.bars.write_report import report_replaced
from kaboom.market.bar import BarSeries

_KEY = ["symbol", "opened_at"]
_US = 1_000_000


async def write_bars(writer: LineWriter, bucket: str, series: BarSeries, bars: pl.DataFrame) -> WriteReport:
    """Store bars; those that the server refuses are in the report, by symbol.

    Raises:
        StoreError: the frame cannot be stored, or not all bars were acknowledged: writing again is safe.

    """
    bars = normalise_bars(bars)
    if bars.is_empty():
        return WriteReport(written=0)
    read_held = partial(_read_held, writer, bucket, series)
    held = await read_held(bars)
    spec = WriteSpec(bucket, Precision.SECOND, partial(bar_lines, series), read_held, [*_KEY, *FIELDS])
    refused = await writer.write(spec, bars)
    taken = bars.join(refused, on=_KEY, how="anti") if refused.height else bars
    return report_replaced(taken, held, _by_symbol(refused))


async def write_quarantine(writer: LineWriter, bucket: str, series: BarSeries, rows: pl.DataFrame) -> int:
    """Keep rows that a quality rule rejected; return how many are new.

    A row that InfluxDB refuses, such as one older than its retention, is kept with the refused lines.

    Raises:
        StoreError: the frame cannot be stored, or not all rows were acknowledged.

    """
    rows = normalise_quarantine(rows)
    if rows.is_empty():
        return 0
    read_held = partial(_read_quarantine, writer, bucket, series)
    spec = WriteSpec(bucket, Precision.MICROSECOND, partial(quarantine_lines, series), read_held, [*_KEY, "reason"])
    new = await spec.find_missing(rows)
    await writer.write(spec, rows)
    return new.height


async def _read_held(writer: LineWriter, bucket: str, series: BarSeries, bars: pl.DataFrame) -> pl.DataFrame:
    at = times_us(bars) // _US
    between = at.min().item(), at.max().item() + 1
    symbols = bars["symbol"].unique(maintain_order=True).to_list()
    return await writer.reads.bars(bucket, series, between, symbols)


async def _read_quarantine(writer: LineWriter, bucket: str, series: BarSeries, rows: pl.DataFrame) -> pl.DataFrame:
    return await writer.reads.quarantine(bucket, series, rows["symbol"].unique(maintain_order=True).to_list())


def _by_symbol(refused: pl.DataFrame) -> tuple[RefusedBars, ...]:
    counted = refused.group_by("symbol", maintain_order=True).agg(pl.len(), pl.col("refusal").first())
    return tuple(RefusedBars(symbol, bars, reason) for symbol, bars, reason in counted.iter_rows())
