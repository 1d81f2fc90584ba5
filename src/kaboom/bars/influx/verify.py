"""The self-check in InfluxDB: buckets answer and accept a write, fields have the right types, bars are complete."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from isal import isal_zlib

from kaboom.bars.influx.layout import FIELD_TYPES, InfluxBuckets, parse_measurement
from kaboom.bars.influx.reads import InfluxReads
from kaboom.bars.influx.responses import error_text
from kaboom.bars.influx.target import Precision
from kaboom.bars.influx.wire import SET_V1, InfluxWire
from kaboom.bars.store import StoreFault, StoreHealth
from kaboom.errors import StoreError
from kaboom.market.bar import VALUES, BarSeries

#: The measurement that the self-check writes to.
CHECK_MEASUREMENT = "kaboom_probe"
_TAKEN = 204


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
