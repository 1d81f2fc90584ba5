"""What any request may say of sessions, symbols and days, and the bounds of it; importable without polars."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from batch.errors import InvalidRequest
from batch.market.calendar import (
    JST,
    OLDEST_YEAR,
    is_session,
    latest_closed_session,
    next_session,
    opens_at,
    previous_session,
)
from batch.market.interval import Interval, parse_interval

#: All of the Tokyo exchange has about 4,000 ordinary shares.
MAX_SYMBOLS = 4_000
#: Twenty years of sessions.
MAX_LOOKBACK = 5_000


def parse_day(text: str | None, name: str) -> date | None:
    """Return the day that a field of a request says, if any.

    Raises:
        InvalidRequest: it is none.

    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as e:
        raise InvalidRequest(f"{name} was {text!r}, expected a date as YYYY-MM-DD", pointer=f"/{name}") from e


def parse_count(value: Any, most: int, pointer: str) -> int:
    """Return a whole number from 1 to `most`.

    Raises:
        InvalidRequest: it is none; `pointer` says which.

    """
    if type(value) is not int or not 1 <= value <= most:
        name = pointer.removeprefix("/")
        raise InvalidRequest(f"{name} was {value!r}, expected 1 to {most}", pointer=pointer)
    return value


def parse_lookbacks(values: Mapping[str, int]) -> dict[Interval, int]:
    """Return interval → look-back in sessions.

    Raises:
        InvalidRequest: there is none, an interval is not one of ours, or a look-back is out of bounds.

    """
    if not values:
        supported = ", ".join(Interval)
        raise InvalidRequest(f"intervals was empty, expected at least one of {supported}", pointer="/intervals")
    return {
        parse_interval(text): parse_count(count, MAX_LOOKBACK, f"/intervals/{text}") for text, count in values.items()
    }


def parse_symbols(texts: Any, parse: Callable[[str], str]) -> tuple[str, ...]:
    """Return symbols, each once, as `parse` reads them.

    Raises:
        InvalidRequest: there are too many, or one cannot be.

    """
    if len(texts) > MAX_SYMBOLS:
        raise InvalidRequest(f"symbols had {len(texts)} entries, expected at most {MAX_SYMBOLS}", pointer="/symbols")
    return tuple(dict.fromkeys(parse(text) for text in texts))


def resolve_last_session(session: date | None, now: datetime, *, is_tse: bool, delay_s: float) -> date:
    """Return the last session of a request: the one it names, else the newest that closed `delay_s` ago.

    A market of files has no calendar: without a name it is any day up to tomorrow.

    Raises:
        InvalidRequest: the session named is not a trading day, or has not opened.

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
        around = f"{previous_session(session)} and {next_session(session)}"
        raise InvalidRequest(f"session was {session}, not a trading day; the nearest are {around}", pointer="/session")
    if opens_at(session) > now:
        raise InvalidRequest(f"session was {session}, which has not opened yet", pointer="/session")
    return session
