"""Answer queries for charts: bars of any length with indicators; imported for the first query, like polars."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from kaboom.bars.actions.adjustment import Adjustment
from kaboom.bars.windows import read_with_history
from kaboom.errors import InvalidRequest
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.table import Indicator, parse_indicators
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.roll_up import roll_up_bars, roll_up_weeks
from kaboom.market.source import derived_source, is_derived, provider_of
from kaboom.market_data.queries import ChartInterval, ChartQuery
from kaboom.market_data.table import Table
from kaboom.market_data.tables import BarTables, describe_actions, iso, parse_symbol

#: A year of minutes has 80,000 rows.
_MOST_INTRADAY = timedelta(days=400)
_SESSIONS_A_WEEK = 5


@dataclass(frozen=True, slots=True)
class _Found:
    """Bars of a series with those before them; `made_from` is None if they are stored as they are."""

    rows: pl.DataFrame
    series: BarSeries
    made_from: Interval | None


@dataclass(frozen=True, slots=True)
class ChartTables:
    """The bars of charts, read from the tables of bars."""

    bars: BarTables

    async def chart(self, symbol: str, query: ChartQuery) -> Table:
        """Return the newest bars of a span with a column for each output of the indicators, oldest first.

        Raises:
            InvalidRequest: the symbol, the provider, the span or an indicator is invalid.

        """
        spec, series = self.bars.series_of(query.plain)
        name = parse_symbol(symbol, spec)
        start, end = self._span_of(query)
        indicators = _indicators_of(query)
        counted = [each.rows_before for each in indicators]
        # At least one, for the previous close.
        found = await self._find(series, name, query, (start, end), max(1, query.volume_average or 0, *counted))
        adjustment = await self.bars.adjustment_of(query.plain, found.series, [name], start)
        rows = await asyncio.to_thread(_build, found, query, adjustment)
        before = rows.filter(pl.col("opened_at") < start).tail(1)
        shown = await asyncio.to_thread(_compute, rows, query, indicators, start)
        shown = shown.tail(query.limit).drop("symbol")
        columns = [each for each in shown.columns if each not in rows.columns]
        about: dict[str, Any] = {
            "symbol": name,
            "interval": query.interval.value,
            "provider": found.series.source,
            "is_real": spec.is_real,
            "rolled_up_from": found.made_from and found.made_from.value,
            "adjusted": query.adjusted,
            "actions": describe_actions(adjustment),
            "start": iso(start),
            "end": iso(end),
            "columns": columns,
            "previous": None,
        }
        if before.height:
            about["previous"] = {"opened_at": iso(before["opened_at"][0]), "close": before["close"][0]}
        stem = f"{name}-{query.interval}-{found.series.source}{'-adjusted' if query.adjusted else ''}"
        return Table(shown, about, ("provider", "interval", "symbol"), stem)

    def _span_of(self, query: ChartQuery) -> tuple[datetime, datetime]:
        start, end = self.bars.span_of(query.plain)
        if query.interval.stored.is_intraday and end - start > _MOST_INTRADAY:
            raise InvalidRequest(
                f"start was {iso(start)} and end {iso(end)}, at most {_MOST_INTRADAY.days} days apart are allowed",
                pointer="/start",
            )
        if query.interval is ChartInterval.W1:
            # A week is shown whole.
            day = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            start = day - timedelta(days=day.weekday())
        return start, end

    async def _find(
        self, series: BarSeries, symbol: str, query: ChartQuery, span: tuple[datetime, datetime], rows_before: int
    ) -> _Found:
        """Return the bars of the first series that has any in the span; else none of the series that was asked for."""
        start, end = span
        is_weekly = query.interval is ChartInterval.W1
        for each in _series_instead(series):
            parts = series.interval.seconds // each.interval.seconds * (_SESSIONS_A_WEEK if is_weekly else 1)
            rows = await read_with_history(
                self.bars.store, each, symbol, start=start, end=end, rows_before=rows_before * parts
            )
            if rows.height:
                is_made = is_weekly or each.interval is not series.interval
                return _Found(rows, each, each.interval if is_made else None)
        return _Found(rows, series, None)


def _series_instead(series: BarSeries) -> Sequence[BarSeries]:
    """Return a series, and those that stand in for it: rolled up from minutes by a job, then the minutes themselves."""
    provider = provider_of(series.source)
    found = [series] if is_derived(series.source) else [series, BarSeries(derived_source(provider), series.interval)]
    minutes = BarSeries(provider, Interval.M1)
    return [*found, minutes] if series.interval.is_intraday and series != minutes else found


def _indicators_of(query: ChartQuery) -> Sequence[Indicator]:
    return parse_indicators(query.indicator, query.interval.stored) if query.indicator else ()


def _build(found: _Found, query: ChartQuery, adjustment: Adjustment) -> pl.DataFrame:
    rows = adjustment.apply(found.rows) if query.adjusted else found.rows
    if query.interval is ChartInterval.W1:
        return roll_up_weeks(rows)
    return roll_up_bars(rows, query.interval.stored) if found.made_from else rows


def _compute(rows: pl.DataFrame, query: ChartQuery, indicators: Sequence[Indicator], start: datetime) -> pl.DataFrame:
    if not indicators and query.volume_average is None:
        return rows.filter(pl.col("opened_at") >= start)
    shown = compute_indicators(rows, indicators, start=start)
    if query.volume_average is None:
        return shown
    (average,) = parse_indicators([f"sma:{query.volume_average}"], query.interval.stored)
    volumes = compute_indicators(rows.with_columns(close=pl.col("volume")), [average], start=start)
    return shown.with_columns(volumes[average.label].alias(f"volume_{average.label}"))
