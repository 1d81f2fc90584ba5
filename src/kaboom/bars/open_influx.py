"""The stores on the InfluxDB server of the settings; one of each for a process and place."""

from functools import cache
from pathlib import Path

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.line_writer import LineWriter, RefusedLines
from kaboom.bars.influx.reads import InfluxReads
from kaboom.bars.influx.store import InfluxActionStore, InfluxBarStore
from kaboom.bars.influx.target import InfluxTarget, build_target
from kaboom.bars.influx.wire import InfluxWire
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.http.client import HttpClient
from kaboom.market.bounds import DEFAULT_CHUNK_SIZE


def open_influx(settings: BatchSettings) -> InfluxBarStore:
    """Return the bar store.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    buckets = InfluxBuckets(
        settings.influxdb_bucket_raw_1m_hot, settings.influxdb_bucket_agg_5m, settings.influxdb_bucket_agg_1d
    )
    return _store(influx_target(settings), buckets, settings.refused_lines_path)


def open_influx_actions(settings: BatchSettings) -> InfluxActionStore:
    """Return the store of corporate actions.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    return InfluxActionStore(open_influx(settings).writer, settings.influxdb_bucket_agg_1d)


def influx_target(settings: BatchSettings) -> InfluxTarget:
    """Return the InfluxDB server of the settings.

    Raises:
        ConfigurationError: the settings of the server are incomplete or invalid.

    """
    return build_target(
        settings.influxdb_host, settings.influxdb_secret, org=settings.influxdb_org, api=settings.influxdb_api
    )


@cache
def _store(target: InfluxTarget, buckets: InfluxBuckets, refused: Path) -> InfluxBarStore:
    wire = InfluxWire(target, HttpClient(target.url))
    return InfluxBarStore(LineWriter(wire, InfluxReads(wire), RefusedLines(refused), DEFAULT_CHUNK_SIZE), buckets)
