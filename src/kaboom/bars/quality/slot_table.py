"""The times at which a bar may open: the slots of some sessions, as a table for whole columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from kaboom.market.calendar import auction_stamps, closes_at, grid, session_hours
from kaboom.market.interval import Interval

#: Verdicts of a slot on its bar; the values are positions in `hard_rules.REASONS`.
FREE, FUTURE, CLOSED_DAY, OFF_GRID = 0, 2, 3, 4

#: The time of a row without a time; far below every date.
NO_STAMP = -(2**62)

_DAY_US = 86_400_000_000
_JST_US = 9 * 3_600_000_000
_EPOCH = date(1970, 1, 1)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlotTable:
    """The slots of some sessions for one interval.

    A day is divided into slots of one interval. Days are JST for intraday bars of the TSE, and UTC for daily bars and
    for files, whose time zone is unknown.

    Attributes:
        interval_us: length of a slot.
        offset_us: how far the days are ahead of UTC.
        now_us: UTC epoch microseconds; no bar may start later.
        first_day: the first session, in days since 1970-01-01.
        session_of_day: index of the session of each day, from the day before the first to the day after
            the last; -1 for none.
        verdicts: the verdict of each slot, shape (sessions + 1, per_day); the last row is for all other days.
        auctions: slots of the two auctions, shape (sessions, 2); -1 if there are none.
        awaited: per session, slot of the last continuous minute once the closing auction is over, else -1.

    """

    interval_us: int
    offset_us: int
    now_us: int
    first_day: int
    session_of_day: NDArray[np.int32]
    verdicts: NDArray[np.int8]
    auctions: Ints
    awaited: Ints

    @property
    def minute_ranks(self) -> Ints:
        """The rank of each slot among the legal ones of its session, shape as `verdicts`; else that of the last one."""
        ranks: Ints = np.cumsum(self.verdicts != OFF_GRID, axis=1, dtype=np.int64) - 1
        return ranks

    @property
    def per_day(self) -> int:
        """How many slots a day has."""
        return _DAY_US // self.interval_us

    def place(self, stamps: Ints) -> tuple[NDArray[np.int32], Ints, NDArray[np.int8]]:
        """Return the index of each bar's session (-1: not requested), its slot in the day, and the slot's verdict.

        `stamps` are the starts of bars in UTC epoch microseconds.
        """
        local = stamps + self.offset_us
        day = local // _DAY_US
        within = local - day * _DAY_US
        slot = within // self.interval_us
        # The first and the last entry are for all days outside the table.
        entry = np.clip(day - (self.first_day - 1), 0, self.session_of_day.size - 1)
        session = self.session_of_day[entry]
        verdict = self.verdicts[session, slot]
        verdict[(within != slot * self.interval_us) & (verdict == FREE)] = OFF_GRID
        verdict[stamps > self.now_us] = FUTURE
        verdict[stamps == NO_STAMP] = OFF_GRID
        return session, slot, verdict


def build_slot_table(sessions: Sequence[date], interval: Interval, *, is_tse: bool, now: datetime) -> SlotTable:
    """Return the slots of some sessions (sorted, unique); `now` is aware."""
    us = interval.seconds * 1_000_000
    offset = _JST_US if is_tse and interval.is_intraday else 0
    days = [(session - _EPOCH).days for session in sessions]
    first, last = (days[0], days[-1]) if days else (0, 0)
    session_of_day = np.full(last - first + 3, -1, dtype=np.int32)
    now_us = round(now.timestamp() * 1_000_000)
    verdicts = np.full((len(days) + 1, _DAY_US // us), CLOSED_DAY, dtype=np.int8)
    auctions = np.full((len(days), 2), -1, dtype=np.int64)
    awaited = np.full(len(days), -1, dtype=np.int64)
    for n, (session, day) in enumerate(zip(sessions, days, strict=True)):
        session_of_day[day - first + 1] = n
        start_us = day * _DAY_US - offset
        verdicts[n] = _tse_day(session, interval, start_us, now_us) if is_tse else _file_day(us, start_us, now_us)
        if is_tse and interval is Interval.M1:
            auctions[n] = [(stamp * 1_000_000 - start_us) // us for stamp in auction_stamps(session)]
            awaited[n] = _last_continuous(session) if closes_at(session) <= now else -1
    return SlotTable(us, offset, now_us, first, session_of_day, verdicts, auctions, awaited)


def _tse_day(session: date, interval: Interval, start_us: int, now_us: int) -> NDArray[np.int8]:
    us = interval.seconds * 1_000_000
    stamps = np.array(grid(session, interval), dtype=np.int64) * 1_000_000
    # A day on which the exchange is closed has no stamps.
    verdicts = np.full(_DAY_US // us, OFF_GRID if stamps.size else CLOSED_DAY, dtype=np.int8)
    # The last bar of a day ends at the close, not an interval after its start.
    done_us = np.minimum(stamps + us, round(closes_at(session).timestamp() * 1_000_000))
    verdicts[(stamps - start_us) // us] = np.where(done_us > now_us, FUTURE, FREE)
    return verdicts


def _file_day(us: int, start_us: int, now_us: int) -> NDArray[np.int8]:
    starts = start_us + np.arange(_DAY_US // us, dtype=np.int64) * us
    # A daily bar of an unknown exchange ends at an unknown hour of its date.
    done_us = starts if us == _DAY_US else starts + us
    return np.where(done_us > now_us, FUTURE, FREE).astype(np.int8)


def _last_continuous(session: date) -> int:
    last = session_hours(session).pm_last_continuous
    return last.hour * 60 + last.minute
