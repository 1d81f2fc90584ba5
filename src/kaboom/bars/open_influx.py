"""The stores on the InfluxDB server of the settings; one of each for a process and place."""

from functools import cache
from pathlib import Path

from batch.bars.actions.influx import InfluxActionStore
from batch.bars.influx.layout import InfluxBuckets
from batch.bars.influx.line_writer import LineWriter
from batch.bars.influx.refused import RefusedLines
from batch.bars.influx.sql_reads import build_reads
from batch.bars.influx.store import InfluxBarStore
from batch.bars.influx.target import InfluxTarget, build_target
from batch.bars.influx.wire import InfluxWire
from batch.ingest.request import DEFAULT_CHUNK_SIZE
from batch.kit.http.client import HttpClient
from batch.settings import BatchSettings


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
        settings.influxdb_host,
        settings.influxdb_secret,
        org=settings.influxdb_org,
        api=settings.influxdb_api,
        language=settings.influxdb_query,
    )


@cache
def _store(target: InfluxTarget, buckets: InfluxBuckets, refused: Path) -> InfluxBarStore:
    wire = InfluxWire(target, HttpClient(target.url))
    return InfluxBarStore(LineWriter(wire, build_reads(wire), RefusedLines(refused), DEFAULT_CHUNK_SIZE), buckets)
