"""InfluxQL: the texts of queries, with every value quoted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from kaboom.bars.influx.layout import ASKED, BARS, FIELDS, QUARANTINE, measurement, series_tags, tag_value
from kaboom.bars.normalise import to_day, to_seconds
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

#: The first and last second that InfluxDB's int64 nanoseconds hold, 1677 to 2262.
FIRST_S, LAST_S = -9_223_372_036, 9_223_372_036
#: The most symbols, and letters of symbols, named in a query, whose text is part of a URL; otherwise it asks for all.
MOST_SYMBOLS, _MOST_LETTERS = 60, 2_000


def seconds_between(start: datetime, end: datetime) -> tuple[int, int]:
    """Return the half-open range of whole seconds of aware times, clipped to what InfluxDB can hold.

    Raises:
        InvalidRequest: a time has no zone.

    """
    return max(to_seconds(start, "start"), FIRST_S), min(to_seconds(end, "end"), LAST_S)


def day_seconds(first: date, last: date) -> tuple[int, int]:
    """Return the half-open range of seconds of the UTC days from `first` to `last` inclusive."""
    return max(to_day(first) * 86_400, FIRST_S), min((to_day(last) + 1) * 86_400, LAST_S)


def select_bars(series: BarSeries, between: tuple[int, int], symbols: Sequence[str] = ()) -> str:
    """Select bars; if symbols are named, at least theirs."""
    columns = ", ".join(_name(c) for c in ("symbol", *FIELDS))
    return f"SELECT {columns} FROM {_bars(series)} WHERE {_where(series, symbols)} AND {_time(between)}"


def select_newest(series: BarSeries, between: tuple[int, int], symbols: Sequence[str] = ()) -> str:
    """Select the newest bar of each symbol in a range, at least of these."""
    columns = ", ".join(_name(c) for c in FIELDS)
    return f"SELECT {columns} FROM {_bars(series)} WHERE {_where(series, symbols)} AND {_time(between)} {_NEWEST_FIRST}"


def select_closes(series: BarSeries, between: tuple[int, int], symbols: Sequence[str]) -> str:
    """Select the last close in a range, at least of these symbols."""
    where = f"{_where(series, symbols)} AND {_time(between)}"
    return f'SELECT "close" FROM {_bars(series)} WHERE {where} {_NEWEST_FIRST}'


def select_counts(series: BarSeries, between: tuple[int, int]) -> str:
    """Count the bars of each symbol on each UTC day."""
    by = 'GROUP BY time(1d), "symbol" fill(none)'
    return f'SELECT count("close") FROM {_bars(series)} WHERE {_where(series)} AND {_time(between)} {by}'


def select_flagged(series: BarSeries, between: tuple[int, int]) -> str:
    """Select the flags of flagged bars."""
    only = f'{_where(series)} AND "flags" > 0 AND {_time(between)}'
    return f'SELECT "symbol", "flags" FROM {_bars(series)} WHERE {only}'


def select_edges(series: BarSeries, between: tuple[int, int]) -> tuple[str, str]:
    """Return two statements: the first and the last bar of each symbol."""
    rest = f'("close") FROM {_bars(series)} WHERE {_where(series)} AND {_time(between)} GROUP BY "symbol"'
    return f"SELECT first{rest}", f"SELECT last{rest}"


def select_quarantine(series: BarSeries, symbols: Sequence[str] = ()) -> str:
    """Select rejected rows; if symbols are named, at least theirs."""
    source = _name(measurement(QUARANTINE, series.interval))
    return f'SELECT "reason", "undated", "row" FROM {source} WHERE {_where(series, symbols)}'


def select_fetch_log(series: BarSeries, between: tuple[int, int]) -> str:
    """Select the fetch log of all symbols."""
    source = _name(measurement(ASKED, series.interval))
    return f'SELECT "symbol", "bars", "at" FROM {source} WHERE {_where(series)} AND {_time(between)}'


def select_notes(kind: tuple[str, str], source: str, symbols: Sequence[str]) -> str:
    """Select notes of corporate actions of a kind, as `layout` names them; if symbols are named, at least theirs."""
    where = _where(BarSeries(source, Interval.D1), symbols)
    return f'SELECT "symbol", "origin", "state", {_name(kind[1])}, "at" FROM {_name(kind[0])} WHERE {where}'


def show_sources() -> str:
    """Show the sources of the bars and rejected rows of a bucket."""
    return f'SHOW TAG VALUES FROM /^({BARS}|{QUARANTINE})_/ WITH KEY = "source"'


def show_symbols(series: BarSeries) -> str:
    """Show the symbols of a series, in 1.x and 2.x from the index only; 3.x shows those of the last day."""
    return f'SHOW TAG VALUES FROM {_bars(series)} WITH KEY = "symbol" WHERE {_where(series)}'


def show_fields() -> str:
    """Show the fields of bars, and their types."""
    return f"SHOW FIELD KEYS FROM /^{BARS}_/"


def count_fields(name: str, fields: Iterable[str]) -> str:
    """Count the values of some fields of a measurement."""
    return f"SELECT {', '.join(f'count({_name(f)})' for f in fields)} FROM {_name(name)}"


_NEWEST_FIRST = 'GROUP BY "symbol" ORDER BY time DESC LIMIT 1'


def _bars(series: BarSeries) -> str:
    return _name(measurement(BARS, series.interval))


def _where(series: BarSeries, symbols: Sequence[str] = ()) -> str:
    tags: Mapping[str, str] = series_tags(series)
    terms = [f"{_name(key)} = {_text(value)}" for key, value in tags.items()]
    if 0 < len(symbols) <= MOST_SYMBOLS and sum(map(len, symbols)) <= _MOST_LETTERS:
        terms.append("(" + " OR ".join(f'"symbol" = {_text(tag_value(s))}' for s in symbols) + ")")
    return " AND ".join(terms)


def _time(between: tuple[int, int]) -> str:
    return f"time >= {between[0]}s AND time < {between[1]}s"


def _name(text: str) -> str:
    return '"' + _escape(text, '"') + '"'


def _text(text: str) -> str:
    return "'" + _escape(text, "'") + "'"


def _escape(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, "\\" + quote).replace("\n", "\\n")
