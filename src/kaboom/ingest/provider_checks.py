"""Checks of a request that need no provider, so that the API can reject it before anything is queued."""

from datetime import date, datetime, timedelta

from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.market.bounds import MAX_LOOKBACK, resolve_last_session
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import Capabilities


def check_capabilities(request: IngestRequest, name: str, capabilities: Capabilities) -> None:
    """Raise InvalidRequest unless the capabilities include the request's market and intervals: 1d of indices."""
    if request.market not in capabilities.markets:
        markets = ", ".join(sorted(capabilities.markets))
        raise InvalidRequest(f"market was {request.market}, provider {name} serves {markets}", pointer="/market")
    if request.market is Market.INDEX and (intraday := sorted(set(request.intervals) - {Interval.D1})):
        raise InvalidRequest(
            f"intervals had {', '.join(intraday)}, market INDEX has only daily bars: 1d", pointer="/intervals"
        )
    if Market.FILE not in capabilities.markets:
        _check_lookback(request, name)
    missing = sorted(set(request.intervals) - capabilities.intervals)
    if missing:
        served = ", ".join(sorted(capabilities.intervals))
        raise InvalidRequest(
            f"intervals had {', '.join(missing)}, provider {name} serves {served}",
            pointer="/intervals",
        )


def _check_lookback(request: IngestRequest, name: str) -> None:
    """Raise InvalidRequest for days that only own files are asked for."""
    if request.first or request.all_days:
        field = "first" if request.first else "all_days"
        raise InvalidRequest(
            f"{field} was given, which only provider file takes; provider {name} takes a look-back: intervals",
            pointer=f"/{field}",
        )
    for interval, count in request.intervals.items():
        if count > MAX_LOOKBACK:
            message = f"look-back of {interval} was {count}, expected at most {MAX_LOOKBACK}"
            raise InvalidRequest(message, pointer=f"/intervals/{interval}")


def check_reach(name: str, capabilities: Capabilities, interval: Interval, first: date, now: datetime) -> None:
    """Raise InvalidRequest if a provider has no bars as old as the first requested session."""
    days = capabilities.reach_days.get(interval)
    if days is not None and first < (oldest := now.astimezone(JST).date() - timedelta(days=days)):
        raise InvalidRequest(
            f"{interval} was requested from {first}, provider {name} has the last {days} days, from {oldest}",
            pointer=f"/intervals/{interval}",
        )


def resolve_session(request: IngestRequest, now: datetime, *, delay_s: float) -> date:
    """Return the last session of a request, as `resolve_last_session` does."""
    return resolve_last_session(request.session, now, is_tse=request.market.is_tse, delay_s=delay_s)
