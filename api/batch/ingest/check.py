"""What can be checked of a request without a provider: so the API refuses it before anything is queued."""

from datetime import date, datetime, timedelta

from batch.errors import InvalidRequest
from batch.ingest.request import IngestRequest
from batch.market.calendar import (
    JST,
    OLDEST_YEAR,
    is_session,
    latest_closed_session,
    next_session,
    opens_at,
    previous_session,
)
from batch.market.interval import Interval
from batch.providers.base import Capabilities


def check_capabilities(request: IngestRequest, name: str, capabilities: Capabilities) -> None:
    """Raise InvalidRequest unless a provider of these capabilities serves the request's market and intervals."""
    if request.market not in capabilities.markets:
        markets = ", ".join(sorted(capabilities.markets))
        raise InvalidRequest(f"market was {request.market}, provider {name} serves {markets}", pointer="/market")
    missing = sorted(set(request.intervals) - capabilities.intervals)
    if missing:
        served = ", ".join(sorted(capabilities.intervals))
        raise InvalidRequest(
            f"intervals had {', '.join(missing)}, provider {name} serves {served}", pointer="/intervals"
        )


def check_reach(name: str, capabilities: Capabilities, interval: Interval, first: date, now: datetime) -> None:
    """Raise InvalidRequest where a provider has no bars as old as those of the first session asked for."""
    days = capabilities.reach_days.get(interval)
    if days is not None and first < (oldest := now.astimezone(JST).date() - timedelta(days=days)):
        raise InvalidRequest(
            f"{interval} went back to {first}, provider {name} has it for {days} days, from {oldest} on",
            pointer=f"/intervals/{interval}",
        )


def resolve_session(request: IngestRequest, now: datetime, *, delay_s: float) -> date:
    """Return the last session of a request: the one it names, else the newest that closed `delay_s` ago.

    A market of files has no calendar: without a name it is any day up to tomorrow.

    Raises:
        InvalidRequest: the session named is not a trading day, or has not opened.

    """
    session = request.session
    if not request.market.is_tse:
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
