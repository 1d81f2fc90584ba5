"""The layout in InfluxDB, and frames as its lines; pure. See `docs/reference/influxdb-layout.md`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import polars as pl

from kaboom.bars.normalise import place_numbers
from kaboom.errors import InvalidRequest, StoreError
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
_US = 1_000_000
#: The volume is stored as a float, which cannot hold every whole number above this.
_MOST_VOLUME = 2**53


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


def bar_lines(series: BarSeries, bars: pl.DataFrame) -> pl.Series:
    """Return one line for each bar in `BAR_SCHEMA`, times in seconds.

    Raises:
        StoreError: not retryable; a volume is too large for a float.

    """
    if bars.filter(pl.col("volume").abs() > _MOST_VOLUME).height:
        raise StoreError(f"a volume was above {_MOST_VOLUME:,}, the most that a float holds exactly", retryable=False)
    # Polars writes the shortest text that reads back as the same float. A whole number without `i` is a float.
    values = ",".join(f"{name}={{}}" for name in VALUES)
    whole = f"{_head(measurement(BARS, series.interval), series)}symbol={{}} {values},flags={{}}i {{}}"
    time_s = pl.col("opened_at").to_physical() // _US
    line = pl.format(whole, _escaped(bars["symbol"]), *VALUES, "flags", time_s)
    return bars.select(line=line)["line"]


def fetch_log_lines(series: BarSeries, asked: pl.DataFrame) -> pl.Series:
    """Return one line for each entry in `FETCH_LOG_SCHEMA`, times (00:00 UTC of the session) in seconds."""
    whole = f"{_head(measurement(ASKED, series.interval), series)}symbol={{}} bars={{}}i,at={{}}i {{}}"
    session_s = pl.col("session").cast(pl.Datetime("us")).to_physical() // _US
    line = pl.format(whole, _escaped(asked["symbol"]), "bars", pl.col("asked_at").to_physical(), session_s)
    return asked.select(line=line)["line"]


def action_lines(source: str, notes: pl.DataFrame) -> pl.Series:
    """Return one line for each note of an action in `NOTE_SCHEMA`, times (00:00 UTC of the ex-session) in seconds."""
    session_s = pl.col("ex_session").cast(pl.Datetime("us")).to_physical() // _US
    at, symbol = pl.col("noted_at").to_physical(), _escaped(notes["symbol"])
    lines = []
    for name, field in (ACTIONS, DIVIDENDS):
        head = _head(name, BarSeries(source, Interval.D1))
        whole = f'{head}symbol={{}},origin={{}} {field}={{}},state="{{}}",at={{}}i {{}}'
        lines.append(pl.format(whole, symbol, "origin", field, "state", at, session_s))
    return notes.select(line=pl.when("is_dividend").then(lines[1]).otherwise(lines[0]))["line"]


def quarantine_lines(series: BarSeries, rows: pl.DataFrame) -> pl.Series:
    """Return one line for each rejected row in `QUARANTINE_SCHEMA`, times in microseconds.

    A row without a time is stored with `undated=true`, at a time made of its file and line, else at 1970. The values
    are one field, so that they replace those of an earlier row together, nulls too.
    """
    head = _head(measurement(QUARANTINE, series.interval), series)
    columns = rows.with_columns(pl.col("opened_at").to_physical(), place_numbers(rows).alias("place")).rows()
    return pl.Series("line", [_quarantine_line(head, *row) for row in columns], pl.String)


def _quarantine_line(head: str, symbol: str, at_us: int | None, *rest: float | str | None) -> str:
    *values, reason, file, line, place_us = rest
    place = [] if file is None else [file, line]
    tags = f"{head}reason={escape_tag(str(reason))},symbol={escape_tag(symbol)}"
    text = orjson.dumps([symbol, *values, *place]).decode().replace("\\", "\\\\").replace('"', '\\"')
    return f'{tags},undated={str(at_us is None).lower()} row="{text}" {place_us if at_us is None else at_us}'


def _escaped(symbols: pl.Series) -> pl.Expr:
    """Return symbols as tags; most need no escape."""
    escaped = {symbol: escape_tag(symbol) for symbol in symbols.unique().to_list()}
    odd = {symbol: tag for symbol, tag in escaped.items() if tag != symbol}
    return pl.col("symbol").replace(odd) if odd else pl.col("symbol")


def _head(name: str, series: BarSeries) -> str:
    tags: Sequence[str] = [f"{key}={escape_tag(value)}" for key, value in series_tags(series).items()]
    return f"{name},{','.join(tags)},"
