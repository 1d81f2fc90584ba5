"""Which language a server is asked in."""

from batch.bars.influx.ql_reads import InfluxqlReads
from batch.bars.influx.reads import InfluxReads
from batch.bars.influx.sql_reads import SqlReads
from batch.bars.influx.target import InfluxQuery
from batch.bars.influx.wire import InfluxWire


def build_reads(wire: InfluxWire) -> InfluxReads:
    """Return the questions in the language of the wire's target."""
    return SqlReads(wire) if wire.target.language is InfluxQuery.SQL else InfluxqlReads(wire)
