"""SQL for InfluxDB v3: the texts of statements, with every name and value quoted.

A measurement is a table; its tags, its fields and `time` are columns. The statements use only features of standard SQL
that DataFusion, the engine of v3, also has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kaboom.bars.influx.layout import (
    ASKED,
    BARS,
    QUARANTINE,
    measurement,
    series_tags,
    tag_value,
)
from kaboom.bars.influx.reads import Between
from kaboom.market.bar import VALUES, BarSeries
from kaboom.market.interval import Interval

FLAGS = "flags"


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A statement on one table.

    Attributes:
        table: the table, which does not exist before its first point.
        needs: columns without which no row can match.
        select: the selected columns.
        of_flags: also selected if the table has flags, which bars of other programs may lack.
        rest: the statement from `FROM` on.

    """

    table: str
    needs: frozenset[str]
    select: tuple[str, ...]
    rest: str
    of_flags: tuple[str, ...] = ()

    def text(self, *, has_flags: bool = True) -> str:
        """Return the statement."""
        return f"SELECT {', '.join((*self.select, *(self.of_flags if has_flags else ())))} {self.rest}"


def select_bars(series: BarSeries, between: Between, symbols: Sequence[str] = ()) -> SqlQuery:
    """Select bars; if symbols are named, theirs."""
    table = measurement(BARS, series.interval)
    rest = f"FROM {_name(table)} WHERE {_tags(series, symbols)} AND {_time(between)}"
    return _ask_for_bars(table, series, rest)


def select_newest(series: BarSeries, symbols: Sequence[str] = ()) -> SqlQuery:
    """Select the newest bar of each symbol."""
    table = measurement(BARS, series.interval)
    rest = _newest(table, f"{_tags(series, symbols)} AND {_are_there(VALUES)}")
    return _ask_for_bars(table, series, rest)


def select_closes(series: BarSeries, symbols: Sequence[str], before_s: int) -> SqlQuery:
    """Select the last close of some symbols before a time."""
    table = measurement(BARS, series.interval)
    where = f'{_tags(series, symbols)} AND "time" < {_instant(before_s)} AND {_are_there(["close"])}'
    return _ask(table, series, ("symbol", "close"), _newest(table, where))


def select_days(series: BarSeries, between: Between) -> SqlQuery:
    """Select the number, the first and last time, and the flags of each symbol's bars on each UTC day."""
    table = measurement(BARS, series.interval)
    day = "date_trunc('day', \"time\")"
    where = f"{_tags(series)} AND {_time(between)} AND {_are_there(['close'])}"
    return SqlQuery(
        table,
        frozenset({*series_tags(series), "symbol", "time", "close"}),
        (
            '"symbol"',
            f'{day} AS "session"',
            'count("close") AS "bars"',
            'min("time") AS "first_at"',
            'max("time") AS "last_at"',
        ),
        f'FROM {_name(table)} WHERE {where} GROUP BY "symbol", {day}',
        ('sum(CASE WHEN "flags" > 0 THEN 1 ELSE 0 END) AS "flagged"', 'bit_or("flags") AS "flags"'),
    )


def select_quarantine(series: BarSeries, symbols: Sequence[str] = ()) -> SqlQuery:
    """Select rejected rows; if symbols are named, theirs."""
    table = measurement(QUARANTINE, series.interval)
    rest = f"FROM {_name(table)} WHERE {_tags(series, symbols)}"
    return _ask(table, series, ("time", "undated", "reason", "row"), rest)


def select_fetch_log(series: BarSeries, between: Between) -> SqlQuery:
    """Select the fetch log."""
    table = measurement(ASKED, series.interval)
    rest = f"FROM {_name(table)} WHERE {_tags(series)} AND {_time(between)}"
    return _ask(table, series, ("symbol", "time", "bars", "at"), rest)


def select_notes(kind: tuple[str, str], source: str, symbols: Sequence[str]) -> SqlQuery:
    """Select notes of corporate actions of a kind, as `layout` names them; if symbols are named, theirs."""
    series = BarSeries(source, Interval.D1)
    rest = f"FROM {_name(kind[0])} WHERE {_tags(series, symbols)}"
    return _ask(kind[0], series, ("symbol", "time", "origin", "state", kind[1], "at"), rest)


def select_sources(table: str) -> SqlQuery:
    """Select the sources of a table."""
    return SqlQuery(
        table, frozenset({"source"}), ('DISTINCT "source"',), f'FROM {_name(table)} WHERE "source" IS NOT NULL'
    )


def select_counts(table: str, fields: Sequence[str]) -> SqlQuery:
    """Count the values of some fields of a table."""
    counts = tuple(f"count({_name(field)}) AS {_name(field)}" for field in fields)
    return SqlQuery(table, frozenset(fields), counts, f"FROM {_name(table)}")


def select_columns(table: str | None = None) -> str:
    """Select the columns, and their types, of a table or of all tables."""
    only = "" if table is None else f' WHERE "table_name" = {_text(table)}'
    columns = '"table_name", "column_name", "data_type"'
    # Not filtered by schema, whose name may differ from `iox`.
    return f"SELECT {columns} FROM information_schema.columns{only}"


def _ask(table: str, series: BarSeries, columns: Sequence[str], rest: str) -> SqlQuery:
    needs = frozenset({*series_tags(series), "symbol", "time", *columns})
    return SqlQuery(table, needs, tuple(map(_name, columns)), rest)


def _ask_for_bars(table: str, series: BarSeries, rest: str) -> SqlQuery:
    return replace(_ask(table, series, ("symbol", "time", *VALUES), rest), of_flags=(_name(FLAGS),))


def _newest(table: str, where: str) -> str:
    nth = 'row_number() OVER (PARTITION BY "symbol" ORDER BY "time" DESC) AS "nth"'
    return f'FROM (SELECT *, {nth} FROM {_name(table)} WHERE {where}) AS "ranked" WHERE "nth" = 1'


def _tags(series: BarSeries, symbols: Sequence[str] = ()) -> str:
    terms = [f"{_name(key)} = {_text(value)}" for key, value in series_tags(series).items()]
    if symbols:
        terms.append(f'"symbol" IN ({", ".join(_text(tag_value(symbol)) for symbol in symbols)})')
    return " AND ".join(terms)


def _are_there(columns: Iterable[str]) -> str:
    return " AND ".join(f"{_name(column)} IS NOT NULL" for column in columns)


def _time(between: Between) -> str:
    return f'"time" >= {_instant(between[0])} AND "time" < {_instant(between[1])}'


def _instant(seconds: int) -> str:
    """Return a time as v3 writes it: UTC, without a zone."""
    return f"TIMESTAMP '{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    # A backslash needs no escape in SQL.
    return "'" + text.replace("'", "''") + "'"
