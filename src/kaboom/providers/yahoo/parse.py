"""Yahoo's charts: requests, and answers to rows; pure, and strict: a chart that was not requested is a fault."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.errors import InvalidRequest, ProviderError
from kaboom.market.action import CorporateAction, check_factor
from kaboom.market.bar import VALUES
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.divided_prices import undivide_dividend
from kaboom.providers.rows import SymbolRows

#: "Only 8 days worth of 1m granularity data are allowed to be fetched per request", Yahoo says.
_MOST_MINUTE_DAYS = 7


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """A chart of minutes or days: bars that start from `first`, 00:00 in Japan, to the end of `last`."""

    symbol: str
    interval: Interval
    first: date
    last: date

    @property
    def ticker(self) -> str:
        """Yahoo's name of the symbol on the Tokyo exchange."""
        return f"{self.symbol}.T"

    @property
    def path(self) -> str:
        """The path of the chart."""
        return f"/v8/finance/chart/{self.ticker}"

    @property
    def start_s(self) -> int:
        """The first second, UTC epoch."""
        return _midnight_s(self.first)

    @property
    def end_s(self) -> int:
        """The first second after the last one, UTC epoch."""
        return _midnight_s(self.last + timedelta(days=1))

    @property
    def params(self) -> Mapping[str, str]:
        """The parameters. Without `includePrePost` Yahoo leaves out the bar of the closing auction."""
        return {
            "period1": str(self.start_s),
            "period2": str(self.end_s),
            "interval": self.interval.value,
            "includePrePost": "true",
            "events": "div,splits",
        }


def ask_charts(symbol: str, interval: Interval, sessions: Sequence[date], *, until: date) -> tuple[ChartQuery, ...]:
    """Return the requests for a symbol's bars: days, or the minutes from which shorter intervals are summed.

    `sessions` are sorted, at least one. A chart of days continues to `until`, because it lists the splits up to then.
    For minutes of older sessions, the last request is such a chart.
    """
    until = max(until, sessions[-1])
    since = ChartQuery(symbol, Interval.D1, sessions[0], until)
    if interval is Interval.D1:
        return (since,)
    spans: list[list[date]] = [[sessions[0]]]
    for day in sessions[1:]:
        if (day - spans[-1][0]).days < _MOST_MINUTE_DAYS:
            spans[-1].append(day)
        else:
            spans.append([day])
    minutes = tuple(ChartQuery(symbol, Interval.M1, span[0], span[-1]) for span in spans)
    return (*minutes, since) if until > sessions[-1] else minutes


@lru_cache(maxsize=64)
def _midnight_s(day: date) -> int:
    return int(datetime.combine(day, time(), JST).timestamp())


_NOT_FOUND = "Not Found"
_DAY_US = 86_400_000_000
#: The exceptions of reading an event of an unknown shape.
_UNREADABLE = (InvalidRequest, KeyError, TypeError, ValueError, OSError, OverflowError)
#: The year 2096; later times are invalid.
_FAR_S = 4_000_000_000


def parse_chart(answer: Mapping[str, Any], query: ChartQuery) -> SymbolRows | SymbolOutcome:
    """Return the rows of a chart, at least one, or that the symbol is not listed, or did not trade.

    Minutes without a price are left out. A daily bar is stamped 00:00 UTC of its date in Japan.

    Raises:
        ProviderError: Yahoo gave a reason of its own (not retryable), the chart is of another symbol, currency,
            time zone, interval or time, or the answer is not a chart.

    """
    chart = _dict(answer.get("chart"), "chart")
    if (error := chart.get("error")) is not None:
        return _explained(_dict(error, "chart.error"), query)
    results = chart.get("result")
    if not isinstance(results, list) or len(results) != 1:
        raise _fault("expected one chart.result")
    result = _dict(results[0], "chart.result[0]")
    _expect_meta(_dict(result.get("meta"), "meta"), query)
    rows = _rows(result, query)
    return rows if rows and rows.count else SymbolOutcome(query.symbol, Outcome.NO_TRADES)


def parse_splits(answer: Mapping[str, Any], query: ChartQuery) -> tuple[CorporateAction, ...]:
    """Return the splits in a chart that `parse_chart` accepted, from the first to the last requested day.

    Raises:
        ProviderError: a split has an unknown form.

    """
    splits = [_parse_split(split, query) for split in _events(answer, "splits")]
    return tuple(split for split in splits if query.first <= split.ex_session <= query.last)


def parse_dividends(
    answer: Mapping[str, Any], query: ChartQuery, splits: Sequence[CorporateAction]
) -> tuple[CorporateAction, ...]:
    """Return the cash dividends in such a chart, as they were paid; `splits` are all later ones of the symbol.

    Raises:
        ProviderError: a dividend has an unknown form.

    """
    events = (event for event in _events(answer, "dividends") if event.get("amount") != 0)
    dividends = [_parse_dividend(event, query, splits) for event in events]
    return tuple(dividend for dividend in dividends if query.first <= dividend.ex_session <= query.last)


def _events(answer: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    (result,) = answer["chart"]["result"] or [{}]
    of_kind = _dict(result.get("events", {}), "events").get(kind, {})
    for event in _dict(of_kind, kind).values():
        yield _dict(event, f"one of {kind}")


def _parse_split(split: Mapping[str, Any], query: ChartQuery) -> CorporateAction:
    try:
        factor = check_factor(split["denominator"] / split["numerator"])
        return CorporateAction(query.symbol, _day_of(split), factor)
    except (*_UNREADABLE, ZeroDivisionError) as e:
        raise _fault(f"{query.ticker} had the split {str(split)[:80]}, expected date, numerator and denominator") from e


def _parse_dividend(
    dividend: Mapping[str, Any], query: ChartQuery, splits: Sequence[CorporateAction]
) -> CorporateAction:
    try:
        return undivide_dividend(query.symbol, _day_of(dividend), dividend["amount"], splits)
    except _UNREADABLE as e:
        raise _fault(f"{query.ticker} had the dividend {str(dividend)[:80]}, expected date and amount") from e


def _day_of(event: Mapping[str, Any]) -> date:
    return datetime.fromtimestamp(event["date"], JST).date()


def _explained(error: Mapping[str, Any], query: ChartQuery) -> SymbolOutcome:
    code, why = (str(error.get(name))[:200] for name in ("code", "description"))
    if code == _NOT_FOUND:
        return SymbolOutcome(query.symbol, Outcome.NOT_LISTED, message=f"yahoo knows no {query.ticker}: {why}")
    raise ProviderError(f"yahoo: {query.ticker} had the error {code!r}: {why}")


def _expect_meta(meta: Mapping[str, Any], query: ChartQuery) -> None:
    expected = {
        "symbol": query.ticker,
        "currency": "JPY",
        "exchangeTimezoneName": "Asia/Tokyo",
        "dataGranularity": query.interval.value,
    }
    for name, value in expected.items():
        if meta.get(name) != value:
            raise _fault(f"{query.ticker} had meta.{name} {str(meta.get(name))[:20]!r}, expected {value!r}")


def _rows(result: Mapping[str, Any], query: ChartQuery) -> SymbolRows | None:
    stamps = result.get("timestamp")
    if stamps is None or stamps == []:
        # Yahoo leaves the field out if nothing traded.
        return None
    quotes = _dict(result.get("indicators"), "indicators").get("quote")
    quote = _dict(quotes[0] if isinstance(quotes, list) and quotes else None, "indicators.quote[0]")
    columns = [stamps, *(quote.get(name) for name in VALUES)]
    if not all(isinstance(values, list) for values in columns) or len({*map(len, columns)}) != 1:
        raise _fault("timestamp and the five values were not lists of one length")
    try:
        # All six in one: each series costs as much as the 300 numbers in it.
        numbers = pl.Series([*chain.from_iterable(columns)], dtype=pl.Float64(), strict=True)
    except (TypeError, pl.exceptions.PolarsError) as e:
        raise _fault("a value was no number") from e
    return _pick(numbers.to_numpy().reshape(len(columns), -1), query)


def _pick(numbers: NDArray[np.float64], query: ChartQuery) -> SymbolRows:
    """Return the rows of the requested span; Yahoo may add the newest price, even if it is outside of the span.

    `numbers` has shape (6, bars): times, then the five values.
    """
    stamps, values = numbers[0], numbers[1:]  # a missing time is NaN, and in no span
    kept = (stamps >= query.start_s) & (stamps < query.end_s)
    if not kept.any():
        first = float(stamps[0])
        at = datetime.fromtimestamp(first, UTC) if 0 <= first < _FAR_S else first
        raise _fault(f"asked for {query.first} to {query.last}, every bar was of another time, the first {at}")
    kept &= ~np.isnan(values[:4]).all(axis=0)
    if not kept.all():
        stamps, values = stamps[kept], values[:, kept]
    seconds = stamps.astype(np.int64)
    if (seconds != stamps).any():
        raise _fault("a time was no whole second")
    at_us = seconds * 1_000_000
    if query.interval is Interval.D1:
        at_us = (at_us + 9 * 3_600_000_000) // _DAY_US * _DAY_US
    return SymbolRows(query.symbol, at_us, values)


def _dict(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _fault(f"{name} was {str(value)[:40]!r}, expected an object")
    return value


def _fault(message: str) -> ProviderError:
    return ProviderError(f"yahoo: {message}", retryable=True)
