"""The self-check of bars in InfluxDB: buckets answer, fields have our types, and no bar lacks one."""

from collections.abc import Iterator

from batch.bars.influx_answers import ResultSeries
from batch.bars.influx_layout import FIELD_TYPES, PRICES, InfluxBuckets, parse_measurement
from batch.bars.influx_query import count_fields, show_fields, show_sources
from batch.bars.influx_wire import InfluxWire
from batch.bars.store import StoreFault, StoreHealth
from batch.errors import StoreError
from batch.market.bar import BarSeries

_WHOLE = (*PRICES, "volume")


async def verify(wire: InfluxWire, buckets: InfluxBuckets) -> StoreHealth:
    """Look at every bucket; one that is not there is a fault.

    Raises:
        StoreError: the server does not answer at all.

    """
    bars, faults = 0, []
    for bucket in buckets.names():
        try:
            found, wrong = await _check_bucket(wire, bucket)
        except StoreError as e:
            if e.retryable:
                raise
            found, wrong = 0, [StoreFault(bucket, e.message)]
        bars += found
        faults += wrong
    return StoreHealth(pages=0, bars=bars, bytes=None, faults=tuple(faults))


async def find_series(wire: InfluxWire, buckets: InfluxBuckets) -> tuple[BarSeries, ...]:
    """Return the series that hold a bar or a refused row, sorted.

    Raises:
        StoreError: the server does not answer, or lacks a bucket.

    """
    found = set()
    for bucket in buckets.names():
        for series in (await wire.query(bucket, show_sources()))[0]:
            interval = parse_measurement(series.name)
            if interval and buckets.of(interval) == bucket:
                found |= {BarSeries(str(source), interval) for _, source in series.rows}
    return tuple(sorted(found, key=lambda s: (s.source, s.interval)))


async def _check_bucket(wire: InfluxWire, bucket: str) -> tuple[int, list[StoreFault]]:
    bars, faults = 0, []
    for fields in (await wire.query(bucket, show_fields()))[0]:
        if parse_measurement(fields.name) is None:
            continue
        faults += [StoreFault(f"{bucket}, {fields.name}", text) for text in _check_types(fields)]
        (counts,) = await wire.query(bucket, count_fields(fields.name, _WHOLE))
        if counts:
            # The first column is the time, which counts have none of.
            most, least = _extremes(counts[0])
            bars += least
            if most != least:
                faults.append(StoreFault(f"{bucket}, {fields.name}", f"{most - least} bars lack a price or the volume"))
    return bars, faults


def _check_types(fields: ResultSeries) -> Iterator[str]:
    for name, kind in fields.rows:
        expected = FIELD_TYPES.get(name, kind)
        if kind != expected:
            yield f"field {name} was of type {kind}, expected {expected}: every write of it is refused"


def _extremes(counts: ResultSeries) -> tuple[int, int]:
    numbers = [int(n or 0) for n in counts.rows[0][1:]]
    return max(numbers), min(numbers)
