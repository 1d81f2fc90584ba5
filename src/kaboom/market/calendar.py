"""The trading calendar of the TSE: sessions, their hours, the legal stamps of bars, and the session of a request."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache, lru_cache
from importlib.resources import files

from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval

#: Japan has had no daylight saving time since 1951.
JST = timezone(timedelta(hours=9), "JST")

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_JST_OFFSET_S = 9 * 3600
_TWO_DAYS_SINCE = date(2019, 7, 16)
#: The calendar is correct from this year on.
OLDEST_YEAR = 1990
#: The calendar follows today's holiday law up to this year; the formula of the equinoxes is not valid later.
NEWEST_YEAR = 2099
# Closed without a holiday: on 2020-10-01 the market did not open (system failure).
_CLOSED_AD_HOC = frozenset({date(2020, 10, 1)})


@dataclass(frozen=True, slots=True)
class SessionHours:
    """The hours of a session, JST, valid from `since`.

    Attributes:
        since: first day of these hours.
        am_open: opening auction and first bar of the morning.
        am_close: closing auction of the morning, which has its own bar.
        pm_open: first bar of the afternoon.
        pm_last_continuous: last bar of continuous trading.
        pm_close: closing auction, which has its own bar.

    """

    since: date
    am_open: time
    am_close: time
    pm_open: time
    pm_last_continuous: time
    pm_close: time


# JPX: the afternoon was lengthened to 15:30 and given a closing auction on 2024-11-05.
_HOURS = (
    SessionHours(date(2011, 11, 21), time(9), time(11, 30), time(12, 30), time(14, 59), time(15)),
    SessionHours(date(2024, 11, 5), time(9), time(11, 30), time(12, 30), time(15, 24), time(15, 30)),
)


def is_session(day: date) -> bool:
    """Return whether the TSE trades on a day, from 1990 to 2099."""
    return day in _session_set(day.year)


def sessions_between(first: date, last: date) -> tuple[date, ...]:
    """Return the sessions from `first` to `last`, both inclusive, oldest first."""
    days: list[date] = []
    for year in range(first.year, last.year + 1):
        days.extend(_sessions_of(year))
    return tuple(days[bisect_left(days, first) : bisect_right(days, last)])


def last_sessions(count: int, until: date) -> tuple[date, ...]:
    """Return the last `count` sessions on or before `until`, oldest first.

    Raises:
        InvalidRequest: the count is negative, or reaches back before 1990.

    """
    if count < 0:
        raise InvalidRequest(f"number of sessions was {count}, expected 0 or more")
    year = until.year
    days = sessions_between(date(year, 1, 1), until)
    while len(days) < count:
        year -= 1
        if year < OLDEST_YEAR:
            raise InvalidRequest(f"number of sessions was {count}, at most {len(days)} are known up to {until}")
        days = _sessions_of(year) + days
    return days[len(days) - count :]


@lru_cache(maxsize=512)
def previous_session(day: date) -> date:
    """Return the last session before a day."""
    return last_sessions(1, day - timedelta(days=1))[0]


def next_session(day: date) -> date:
    """Return the first session after a day."""
    start = day + timedelta(days=1)
    # The longest closure so far was ten days (2019-04-27 to 05-06).
    return sessions_between(start, start + timedelta(days=20))[0]


def settles_on(day: date) -> date:
    """Return when a trade of a day is settled: two sessions later, before 2019-07-16 three.

    Source: JPX, shortening of the settlement cycle to T+2.
    """
    days = sessions_between(day + timedelta(days=1), day + timedelta(days=30))
    return days[1 if day >= _TWO_DAYS_SINCE else 2]


def session_hours(day: date) -> SessionHours:
    """Return the hours of a day; days before 2011-11-21, when mornings ended at 11:00, get those of that date."""
    return next((hours for hours in reversed(_HOURS) if hours.since <= day), _HOURS[0])


def opens_at(day: date) -> datetime:
    """Return when the session of a day opens, aware UTC."""
    return datetime.combine(day, session_hours(day).am_open, JST).astimezone(UTC)


def closes_at(day: date) -> datetime:
    """Return when the session of a day closes, aware UTC."""
    return datetime.combine(day, session_hours(day).pm_close, JST).astimezone(UTC)


def utc_midnight(day: date) -> datetime:
    """Return 00:00 UTC of a day, which stamps its daily bar."""
    return datetime.combine(day, time(), UTC)


def latest_closed_session(now: datetime, *, delay_s: float = 0) -> date:
    """Return the newest session whose close is at least `delay_s` seconds before `now` (aware)."""
    if now.tzinfo is None:
        raise ValueError(f"now was {now.isoformat()} without a time zone, expected an aware datetime")
    ready = now - timedelta(seconds=delay_s)
    day = ready.astimezone(JST).date()
    return day if is_session(day) and closes_at(day) <= ready else previous_session(day)


@lru_cache(maxsize=512)
def minute_grid(day: date) -> tuple[int, ...]:
    """Return the legal 1m stamps of a session, as UTC epoch seconds of bar starts, sorted.

    The auctions at 11:30 and at the close have their own bars, and nothing trades between the last continuous minute
    and the close: 327 stamps since 2024-11-05, 302 before. A closed day has none.
    """
    if not is_session(day):
        return ()
    hours = session_hours(day)
    midnight = _midnight_s(day)
    morning = range(_second_of(hours.am_open), _second_of(hours.am_close) + 1, 60)
    afternoon = range(_second_of(hours.pm_open), _second_of(hours.pm_last_continuous) + 1, 60)
    return tuple(midnight + s for s in (*morning, *afternoon, _second_of(hours.pm_close)))


@lru_cache(maxsize=512)
def grid(day: date, interval: Interval) -> tuple[int, ...]:
    """Return the legal stamps of an interval in a session, as UTC epoch seconds of bar starts, sorted.

    Bars are aligned to the clock: 1h bars start at 9, 10, 11, 12, 13, 14 and 15 o'clock. The `1d` bar is stamped 00:00
    UTC of the session. A closed day has none.
    """
    if interval is Interval.D1:
        return (_midnight_s(day) + _JST_OFFSET_S,) if is_session(day) else ()
    return tuple(sorted({stamp - stamp % interval.seconds for stamp in minute_grid(day)}))


def auction_stamps(day: date) -> tuple[int, int]:
    """Return the stamps of the morning's and the day's closing auction, as UTC epoch seconds."""
    hours, midnight = session_hours(day), _midnight_s(day)
    return midnight + _second_of(hours.am_close), midnight + _second_of(hours.pm_close)


def _holidays_of(year: int) -> frozenset[date]:
    """Return the national holidays of a year: of past years from a table, since computing one takes 50 ms."""
    if (known := _past_holidays().get(year)) is not None:
        return known
    import jpholiday  # noqa: PLC0415  most callers ask for years of the table

    return frozenset(day for day, _ in jpholiday.year_holidays(year))


@cache
def _past_holidays() -> dict[int, frozenset[date]]:
    text = (files("kaboom.market") / "data" / "holidays.txt").read_text(encoding="ascii")
    years = (line.split() for line in text.splitlines())
    return {int(year): frozenset(date.fromisoformat(f"{year}{day}") for day in days) for year, *days in years}


@lru_cache(maxsize=256)
def _sessions_of(year: int) -> tuple[date, ...]:
    closed = _holidays_of(year) | _CLOSED_AD_HOC
    first, last = date(year, 1, 4), date(year, 12, 30)  # the market rests from 31 December to 3 January
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(day for day in days if day.weekday() < 5 and day not in closed)


@lru_cache(maxsize=256)
def _session_set(year: int) -> frozenset[date]:
    return frozenset(_sessions_of(year))


def _midnight_s(day: date) -> int:
    return (day.toordinal() - _EPOCH_DAY) * 86400 - _JST_OFFSET_S


def _second_of(at: time) -> int:
    return at.hour * 3600 + at.minute * 60


def check_first(first: date | None, now: datetime, *, pointer: str = "/first") -> None:
    """Raise InvalidRequest if the first day of a request is after tomorrow, so that it can have no bars."""
    newest = now.astimezone(JST).date() + timedelta(days=1)
    if first is not None and first > newest:
        raise InvalidRequest(f"first was {first}, expected a day up to {newest}", pointer=pointer)


def resolve_last_session(session: date | None, now: datetime, *, is_tse: bool, delay_s: float) -> date:
    """Return the last session of a request: the one it names, else the newest that closed `delay_s` ago.

    A market of files has no calendar; without a session it is any day up to tomorrow.

    Raises:
        InvalidRequest: the session is not a trading day, or has not opened.

    """
    if not is_tse:
        return session or (now.astimezone(JST).date() + timedelta(days=1))
    if session is None:
        return latest_closed_session(now, delay_s=delay_s)
    if not OLDEST_YEAR <= session.year <= now.year + 1:
        raise InvalidRequest(
            f"session was {session}, expected a trading day from {OLDEST_YEAR} on that has opened", pointer="/session"
        )
    if not is_session(session):
        before, after = previous_session(session), next_session(session)
        raise InvalidRequest(
            f"session was {session}, not a trading day; the nearest are {before} and {after}", pointer="/session"
        )
    if opens_at(session) > now:
        raise InvalidRequest(f"session was {session}, which has not opened yet", pointer="/session")
    return session
