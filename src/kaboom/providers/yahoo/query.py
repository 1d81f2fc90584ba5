"""Requests to Yahoo: one chart of one symbol, in spans that Yahoo allows; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from kaboom.market.calendar import JST
from kaboom.market.interval import Interval

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
