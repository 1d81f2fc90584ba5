"""What can be checked of a request without a provider: so the API refuses it before anything is queued."""

from datetime import date, datetime, timedelta

from batch.errors import InvalidRequest
from batch.ingest.request import IngestRequest
from batch.market.bounds import resolve_last_session
from batch.market.calendar import JST
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
    return resolve_last_session(request.session, now, is_tse=request.market.is_tse, delay_s=delay_s)
