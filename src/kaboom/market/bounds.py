"""Bounds of requests, the last session that a request means, and the trading unit; importable without polars."""

from datetime import date, datetime, timedelta

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import (
    JST,
    OLDEST_YEAR,
    is_session,
    latest_closed_session,
    next_session,
    opens_at,
    previous_session,
)

#: The Tokyo exchange lists about 4,000 ordinary shares.
MAX_SYMBOLS = 4_000
#: Twenty years of sessions.
MAX_LOOKBACK = 5_000
#: Points of one write to InfluxDB, if the request does not say how many.
DEFAULT_CHUNK_SIZE = 5_000
#: More days than any file of bars has.
MAX_OWN_DAYS = 100_000
#: Shares in one trading unit (JPX unified it on 2018-10-01).
LOT = 100


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
