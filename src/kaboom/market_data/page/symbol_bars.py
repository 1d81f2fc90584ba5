"""The bars of one symbol as a page shows them: rows, the quote of a session, and flags by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from kaboom.market.calendar import JST, latest_closed_session

type Bar = Mapping[str, Any]
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
    def data(self) -> str:
        """The data of the chart: seconds, open, high, low, close, volume, flags, auction."""
        values = [self.bar[name] for name in ("open", "high", "low", "close", "volume")]
        seconds = int(self.at.timestamp()) + _JST_S
        return ",".join(map(str, (seconds, *values, "+".join(self.flags), self.auction)))


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of a session and the previous close; `is_base`: the previous close is adjusted for a split."""

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


def to_rows(bars: Sequence[Bar], session: Mapping[str, Any] | None) -> list[BarRow]:
    """Return bars as rows; `session` is their day in the calendar, whose auctions mark 1m bars."""
    from kaboom.market.bar import BarFlag  # noqa: PLC0415  with polars, which answered the bars

    names = {session[field]: key for field, key in _AUCTIONS.items()} if session else {}
    return [
        BarRow(
            bar,
            datetime.fromisoformat(bar["opened_at"]).astimezone(JST),
            tuple(flag.name.lower() for flag in BarFlag(bar["flags"]) if flag.name),
            names.get(bar["opened_at"], ""),
        )
        for bar in bars
    ]


def split_at(bars: Sequence[Bar], session: date) -> tuple[list[Bar], list[Bar]]:
    """Return the bars before a session, and the bars from the session on."""
    before = [bar for bar in bars if date.fromisoformat(bar["opened_at"][:10]) < session]
    return before, list(bars[len(before) :])


def quote_of(before: Sequence[Bar], bars: Sequence[Bar], actions: Sequence[Mapping[str, Any]]) -> Quote | None:
    """Return the quote of some bars, or None without any; raw bars are compared across a split by its factor."""
    if not bars:
        return None
    previous = before[-1]["close"] if before else None
    factors = list(_factors(before, bars, actions))
    for factor in factors:
        previous = previous and round(previous * factor, 4)
    return Quote(
        open=bars[0]["open"],
        high=max(bar["high"] for bar in bars),
        low=min(bar["low"] for bar in bars),
        close=bars[-1]["close"],
        volume=sum(bar["volume"] for bar in bars),
        previous=previous,
        is_base=bool(factors),
    )


def _factors(before: Sequence[Bar], bars: Sequence[Bar], actions: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    if not before:
        return
    last, first = before[-1]["opened_at"][:10], bars[0]["opened_at"][:10]
    yield from (action["factor"] for action in actions if last < action["ex_session"] <= first)


def first_shown(items: Sequence[Mapping[str, Any]], now: datetime) -> date:
    """Return the newest session with bars, else the newest one that has closed, whose bars can be taken."""
    newest = next((row["session"] for row in items if row["bars"]), None)
    return date.fromisoformat(newest) if newest else latest_closed_session(now)


def around(days: Sequence[str], session: date) -> tuple[str, str]:
    """Return the day before a session and the day after it, of some days; "" without such a day."""
    text = session.isoformat()
    return max((day for day in days if day < text), default=""), min((day for day in days if day > text), default="")


def days_around(session: date) -> dict[str, object]:
    """Return the query for the calendar around a session; the longest closure so far was ten days."""
    return {"first": session - timedelta(days=16), "last": session + timedelta(days=16)}
