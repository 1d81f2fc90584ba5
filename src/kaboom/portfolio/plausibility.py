"""Trades that the calendar or the bars speak against: they are booked only if the caller insists; pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import is_session, next_session, previous_session
from kaboom.portfolio.entry import Entry
from kaboom.portfolio.money import format_yen

#: How far a price may be outside of the range of its day, as trades off the exchange are, and outside of the range of
#: an earlier day.
_OF_DAY, _OF_EARLIER = 1.1, 2.0


class Doubtful(InvalidRequest):
    """A trade on a day without trading, or at a price far from the bars.

    Attributes:
        entry_id: the entry.

    """

    def __init__(self, message: str, entry_id: str, *, pointer: str) -> None:
        super().__init__(message, pointer=pointer)
        self.entry_id = entry_id


@dataclass(frozen=True, slots=True)
class DayRange:
    """The lowest and the highest price of a symbol on its newest day up to the day of a trade, in yen as traded."""

    day: date
    low: float
    high: float


def find_doubts(entries: Iterable[Entry], ranges: Mapping[tuple[str, date], DayRange]) -> Iterator[Doubtful]:
    """Yield the trades that are doubtful; a trade without bars up to its day is checked against the calendar only.

    A portfolio holds TSE symbols only, whichever provider has their bars.
    """
    for entry in entries:
        if not entry.kind.is_trade:
            continue
        day, price = entry.day, format_yen(entry.price)
        if not is_session(day):
            nearest = f"{previous_session(day)} and {next_session(day)}"
            message = f"day was {day}, not a trading day; the nearest are {nearest}; set force (--force) to book it"
            yield Doubtful(message, entry.entry_id, pointer="/day")
            continue
        found = ranges.get((entry.symbol, day))
        if found is None:
            continue
        most = _OF_DAY if found.day == day else _OF_EARLIER
        if not found.low / most <= float(entry.price) <= found.high * most:
            span = f"{found.low:,g} to {found.high:,g} yen on {found.day}"
            message = f"price of {entry.symbol} was {price} yen on {day}, beside {span}; set force (--force) to book it"
            yield Doubtful(message, entry.entry_id, pointer="/price")
