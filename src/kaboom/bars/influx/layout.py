"""The layout in InfluxDB: buckets, measurements, tags, fields; see `docs/reference/influxdb-layout.md`."""

import re
from dataclasses import dataclass

from kaboom.errors import InvalidRequest
from kaboom.market.bar import VALUES, BarSeries
from kaboom.market.interval import Interval, parse_interval
from kaboom.market.source import provider_of

#: Every write has all of them: points are merged by field, so a missing field would keep its old value.
FIELDS = (*VALUES, "flags")
#: InfluxDB's names of the field types. The first write to a bucket fixes them.
FIELD_TYPES = {**dict.fromkeys(VALUES, "float"), "flags": "integer"}
BARS, QUARANTINE, ASKED = "ohlcv", "quarantine", "asked"
#: One measurement for all intervals, and the field of its number.
ACTIONS, DIVIDENDS = ("actions", "factor"), ("dividends", "amount")

_MEASUREMENT = re.compile(rf"({BARS}|{QUARANTINE})_(\w+)")
_TAG_SPECIAL = re.compile(r"([,= ])")
# Line protocol cannot escape these in a tag. They occur only in broken input, which is quarantined.
_TAG_IMPOSSIBLE = re.compile(r"[\x00-\x1f\x7f\\]")
#: The exchange and currency of files are unknown; XXX is ISO 4217's "no currency".
_PLACES = {"file": ("FILE", "XXX")}
_TSE = ("TSE", "JPY")


@dataclass(frozen=True, slots=True)
class InfluxBuckets:
    """The names of the three buckets."""

    raw_1m_hot: str
    agg_5m: str
    agg_1d: str

    def of(self, interval: Interval) -> str:
        """Return the bucket of an interval: one for minutes, one for days, one for those between."""
        return {Interval.M1: self.raw_1m_hot, Interval.D1: self.agg_1d}.get(interval, self.agg_5m)

    def names(self) -> tuple[str, ...]:
        """Return every bucket once."""
        return tuple(dict.fromkeys((self.raw_1m_hot, self.agg_5m, self.agg_1d)))


def measurement(kind: str, interval: Interval) -> str:
    """Return the measurement of bars (`ohlcv_1m`), of rejected rows (`quarantine_1m`) or the fetch log (`asked_1m`)."""
    return f"{kind}_{interval}"


def parse_measurement(name: str) -> Interval | None:
    """Return the interval of one of Kaboom's measurements; None for any other."""
    found = _MEASUREMENT.fullmatch(name)
    try:
        return parse_interval(found[2]) if found else None
    except InvalidRequest:
        return None


def series_tags(series: BarSeries) -> dict[str, str]:
    """Return the tags of all bars of a series. Never change them: another value would be a second bar."""
    exchange, currency = _PLACES.get(provider_of(series.source), _TSE)
    return {"currency": currency, "exchange": exchange, "source": series.source}


def escape_tag(value: str) -> str:
    """Return a tag's value in line protocol; characters that it cannot hold become U+FFFD."""
    return _TAG_SPECIAL.sub(r"\\\1", tag_value(value))


def tag_value(value: str) -> str:
    """Return a text as the value of a tag; characters that it cannot hold become U+FFFD."""
    return _TAG_IMPOSSIBLE.sub("\ufffd", value) or "\ufffd"
