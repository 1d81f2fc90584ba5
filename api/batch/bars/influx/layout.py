"""How bars lie in InfluxDB: buckets, measurements, tags, fields; `docs/reference/influxdb-layout.md` explains them."""

import re
from dataclasses import dataclass

from batch.errors import InvalidRequest
from batch.market.bar import BarSeries
from batch.market.interval import Interval, parse_interval
from batch.market.source import provider_of

PRICES = ("open", "high", "low", "close")
#: Every write carries all of them: a point is merged field by field, so one left out would keep its old value.
FIELDS = (*PRICES, "volume", "flags")
#: What InfluxDB calls the types of the fields. The first write of a bucket fixes them for good.
FIELD_TYPES = {**dict.fromkeys((*PRICES, "volume"), "float"), "flags": "integer"}
BARS, QUARANTINE, ASKED = "ohlcv", "quarantine", "asked"
#: Of every interval together: a split is a split of all of them.
ACTIONS = "actions"

_MEASUREMENT = re.compile(rf"({BARS}|{QUARANTINE})_(\w+)")
_TAG_SPECIAL = re.compile(r"([,= ])")
# Line protocol has no escape for these in a tag; they come from broken input alone, which goes to quarantine.
_TAG_IMPOSSIBLE = re.compile(r"[\x00-\x1f\x7f\\]")
#: Of files nobody knows where their instruments trade or in what money; XXX is ISO 4217's "no currency".
_PLACES = {"file": ("FILE", "XXX")}
_TSE = ("TSE", "JPY")


@dataclass(frozen=True, slots=True)
class InfluxBuckets:
    """The names of the three buckets."""

    raw_1m_hot: str
    agg_5m: str
    agg_1d: str

    def of(self, interval: Interval) -> str:
        """Return the bucket of an interval: minutes raw, days apart, and all between them together."""
        return {Interval.M1: self.raw_1m_hot, Interval.D1: self.agg_1d}.get(interval, self.agg_5m)

    def names(self) -> tuple[str, ...]:
        """Return every bucket once."""
        return tuple(dict.fromkeys((self.raw_1m_hot, self.agg_5m, self.agg_1d)))


def measurement(kind: str, interval: Interval) -> str:
    """Return the measurement of bars (`ohlcv_1m`), of refused rows (`quarantine_1m`) or of answers (`asked_1m`)."""
    return f"{kind}_{interval}"


def parse_measurement(name: str) -> Interval | None:
    """Return the interval of a measurement of ours; None for anybody else's."""
    found = _MEASUREMENT.fullmatch(name)
    try:
        return parse_interval(found[2]) if found else None
    except InvalidRequest:
        return None


def series_tags(series: BarSeries) -> dict[str, str]:
    """Return the tags that all bars of a series share. Frozen: another value would be another bar beside the first."""
    exchange, currency = _PLACES.get(provider_of(series.source), _TSE)
    return {"currency": currency, "exchange": exchange, "source": series.source}


def escape_tag(value: str) -> str:
    """Return a tag's value as line protocol has it; what it cannot hold at all becomes U+FFFD."""
    return _TAG_SPECIAL.sub(r"\\\1", tag_value(value))


def tag_value(value: str) -> str:
    """Return the value that a tag can have in place of any text."""
    return _TAG_IMPOSSIBLE.sub("\ufffd", value) or "\ufffd"
