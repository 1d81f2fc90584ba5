"""The stores of bars and corporate actions on an InfluxDB server, over HTTP: v2, and compatible v3 and v1."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial

import polars as pl
from isal import isal_zlib

from kaboom.bars.actions.store import KEY, NOTE_SCHEMA
from kaboom.bars.coverage.fetch_log import newest_fetches
from kaboom.bars.influx.layout import (
    ACTIONS,
    DIVIDENDS,
    FIELD_TYPES,
    FIELDS,
    InfluxBuckets,
    action_lines,
    bar_lines,
    fetch_log_lines,
    parse_measurement,
    quarantine_lines,
)
from kaboom.bars.influx.line_writer import LineWriter, WriteSpec
from kaboom.bars.influx.ql import day_seconds, seconds_between
from kaboom.bars.influx.reads import InfluxReads
from kaboom.bars.influx.responses import error_text
from kaboom.bars.influx.target import Precision
from kaboom.bars.influx.wire import SET_V1, InfluxWire
from kaboom.bars.normalise import check_source, normalise_bars, normalise_quarantine, times_us
from kaboom.bars.store import (
    COVERAGE_SCHEMA,
    FETCH_LOG_SCHEMA,
    RefusedBars,
    StoreFault,
    StoreHealth,
    WriteReport,
    report_replaced,
)
from kaboom.errors import StoreError
from kaboom.market.bar import VALUES, BarSeries, empty_bars

_TIME = FETCH_LOG_SCHEMA["asked_at"]
_KEY = ["symbol", "opened_at"]
_US = 1_000_000
#: The measurement that the self-check writes to.
CHECK_MEASUREMENT = "kaboom_probe"
_TAKEN = 204


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


async def save_fetch_log(writer: LineWriter, bucket: str, series: BarSeries, fetches: pl.DataFrame) -> None:
    """Save entries in `FETCH_LOG_SCHEMA`; a refused entry, such as one beyond the retention, is fetched again."""
    if fetches.is_empty():
        return

    async def read_held(rows: pl.DataFrame) -> pl.DataFrame:
        days = sorted(rows["session"].unique())
        return await load_fetch_log(writer.reads, bucket, series, (days[0], days[-1]))

    spec = WriteSpec(bucket, Precision.SECOND, partial(fetch_log_lines, series), read_held, list(FETCH_LOG_SCHEMA))
    await writer.write(spec, fetches)


async def load_fetch_log(reads: InfluxReads, bucket: str, series: BarSeries, days: tuple[date, date]) -> pl.DataFrame:
    """Return the newest entry of each symbol and session from the first to the last day, in `FETCH_LOG_SCHEMA`."""
    between = day_seconds(*days)
    if between[0] >= between[1]:
        return pl.DataFrame(schema=FETCH_LOG_SCHEMA)
    fetches = (await reads.fetch_log(bucket, series, between)).select(
        "symbol",
        pl.col("time").cast(_TIME).dt.date().alias("session"),
        "bars",
        pl.col("at").cast(_TIME).alias("asked_at"),
    )
    return newest_fetches(fetches)


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


async def verify(reads: InfluxReads, wire: InfluxWire, buckets: InfluxBuckets, *, now: datetime) -> StoreHealth:
    """Check every bucket; a bucket that is missing, or that refuses a point, is a fault.

    Raises:
        StoreError: the server does not answer.

    """
    bars, faults = 0, []
    for bucket in buckets.names():
        try:
            found, wrong = await _check_bucket(reads, bucket)
            wrong += await _try_write(wire, bucket, now)
        except StoreError as e:
            if e.retryable:
                raise
            found, wrong = 0, [StoreFault(bucket, e.message, SET_V1 if SET_V1 in e.message else "")]
        bars += found
        faults += wrong
    return StoreHealth(pages=0, bars=bars, bytes=None, faults=tuple(faults))


async def _try_write(wire: InfluxWire, bucket: str, now: datetime) -> list[StoreFault]:
    """Write a point to a measurement that is never read, at 00:00 UTC, so that there is one point a day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    line = f"{CHECK_MEASUREMENT} ok=1i {round(midnight.timestamp())}".encode()
    reply = await wire.post_lines(bucket, isal_zlib.compress(line, 1, 31), Precision.SECOND)
    if reply.status == _TAKEN:
        return []
    reason = wire.target.redact(error_text(reply.body))
    return [StoreFault(bucket, f"a point was refused with {reply.status}: {reason}")]


async def find_series(reads: InfluxReads, buckets: InfluxBuckets) -> tuple[BarSeries, ...]:
    """Return the series that hold a bar or a rejected row, sorted.

    Raises:
        StoreError: the server does not answer, or lacks a bucket.

    """
    found = set()
    for bucket in buckets.names():
        for name, source in await reads.sources(bucket):
            interval = parse_measurement(name)
            if interval and buckets.of(interval) == bucket:
                found.add(BarSeries(source, interval))
    return tuple(sorted(found, key=lambda s: (s.source, s.interval)))


async def _check_bucket(reads: InfluxReads, bucket: str) -> tuple[int, list[StoreFault]]:
    bars, faults = 0, []
    for name, types in (await reads.field_types(bucket)).items():
        if parse_measurement(name) is None:
            continue
        faults += [StoreFault(f"{bucket}, {name}", text) for text in _check_types(types)]
        counts = (await reads.counts(bucket, name, VALUES)).values()
        bars += min(counts)
        if lacking := max(counts) - min(counts):
            faults.append(StoreFault(f"{bucket}, {name}", f"{lacking} bars lack a price or the volume"))
    return bars, faults


def _check_types(types: Mapping[str, str]) -> Iterator[str]:
    for name, kind in types.items():
        expected = FIELD_TYPES.get(name, kind)
        if kind != expected:
            yield f"field {name} was of type {kind}, expected {expected}: every write of it is refused"


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
