"""The headline of the page of a symbol, and its bars as rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from kaboom.market.calendar import JST
from kaboom.market_data.schemas import AppliedAction, Bar, TradingSession

#: The auctions of a session, by the field of the calendar.
_AUCTIONS = {
    "opens_at": "a_open", "am_closes_at": "a_am_close", "pm_opens_at": "a_pm_open", "closes_at": "a_close",
}  # fmt: skip
#: Chart libraries have no time zones, so they get seconds of Japan's local time.
_JST_S = 9 * 3600


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar: its time in Japan, the names of its flags, and the key of its auction, if it has one."""

    bar: Bar
    at: datetime
    flags: tuple[str, ...]
    auction: str

    @property
    def data(self) -> list[object]:
        """The data of the chart: seconds, open, high, low, close, volume, flags, auction."""
        bar = self.bar
        seconds = int(self.at.timestamp()) + _JST_S
        return [seconds, bar.open, bar.high, bar.low, bar.close, bar.volume, "+".join(self.flags), self.auction]


class _Closed(Protocol):
    """A bar, or what is known of the bar before a chart."""

    opened_at: datetime
    close: float


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of a session and the previous close; `is_base`: the previous close is adjusted for a split."""

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    previous: float | None
    is_base: bool

    @property
    def change(self) -> float | None:
        """The change from the previous close."""
        return None if self.previous is None else self.close - self.previous


@dataclass(frozen=True, slots=True)
class HighLow:
    """The highest and the lowest price of some bars."""

    high: float
    low: float


def to_rows(bars: Sequence[Bar], sessions: Sequence[TradingSession]) -> list[BarRow]:
    """Return bars as rows; `sessions` are their days in the calendar, whose auctions mark 1m bars."""
    names = {getattr(each, field): key for each in sessions for field, key in _AUCTIONS.items()}
    flags = _FlagNames()
    return [BarRow(bar, bar.opened_at.astimezone(JST), flags[bar.flags], names.get(bar.opened_at, "")) for bar in bars]


class _FlagNames(dict[int, tuple[str, ...]]):
    """The names of the flags in a number, found once for each number."""

    def __missing__(self, flags: int) -> tuple[str, ...]:
        from kaboom.market.bar import BarFlag  # noqa: PLC0415  with polars, which answered the bars

        found = tuple(flag.name.lower() for flag in BarFlag(flags) if flag.name)
        self[flags] = found
        return found


def split_at(bars: Sequence[Bar], session: date) -> tuple[list[Bar], list[Bar]]:
    """Return the bars before a session, and the bars from the session on."""
    before = [bar for bar in bars if utc_day(bar) < session]
    return before, list(bars[len(before) :])


def quote_of(before: Sequence[_Closed], bars: Sequence[Bar], actions: Sequence[AppliedAction]) -> Quote | None:
    """Return the quote of some bars, or None without any; raw bars are compared across a split by its factor."""
    if not bars:
        return None
    previous = before[-1].close if before else None
    factors = list(_factors(before, bars, actions))
    for factor in factors:
        previous = previous and round(previous * factor, 4)
    return Quote(
        session=utc_day(bars[-1]),
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
        previous=previous,
        is_base=bool(factors),
    )


def high_low_of(bars: Sequence[Bar]) -> HighLow | None:
    """Return the highest and the lowest price of some bars, or None without any."""
    return HighLow(max(bar.high for bar in bars), min(bar.low for bar in bars)) if bars else None


def _factors(before: Sequence[_Closed], bars: Sequence[Bar], actions: Sequence[AppliedAction]) -> Iterator[float]:
    if not before:
        return
    last, first = utc_day(before[-1]), utc_day(bars[0])
    yield from (action.factor for action in actions if last < action.ex_session <= first)


def utc_day(bar: _Closed) -> date:
    """Return the day of a bar, which for the TSE is its session."""
    return bar.opened_at.astimezone(UTC).date()


def index_to_100(series: Sequence[Mapping[datetime, float]]) -> tuple[datetime | None, list[dict[datetime, float]]]:
    """Return closes of several symbols with 100 at the first time that all have, and that time; None without one.

    What is before that time is left out.
    """
    common = set(series[0]).intersection(*series[1:])
    if not common:
        return None, [{} for _ in series]
    base = min(common)
    return base, [
        {at: round(100 * close / each[base], 4) for at, close in each.items() if at >= base} for each in series
    ]
