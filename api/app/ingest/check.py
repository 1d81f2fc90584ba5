"""What the API can check of a request before a worker sees it."""

from app.engine.lifecycle import Jobs
from batch.errors import InvalidRequest
from batch.ingest.check import check_capabilities, check_reach, resolve_session
from batch.ingest.request import IngestRequest
from batch.kit.clock import utc_now
from batch.market.calendar import last_sessions
from batch.providers.registry import get_provider_spec


def check_request(request: IngestRequest, jobs: Jobs) -> None:
    """Refuse here, before anything is queued, what a worker with the settings of `jobs` would refuse.

    Raises:
        InvalidRequest: the provider lacks a setting, cannot serve the request or has no bars as old, or the
            session is not one that has opened.

    """
    settings, now = jobs.parts.settings, utc_now()
    spec = get_provider_spec(request.provider or settings.provider)
    if missing := settings.lacking_for(spec.name):
        raise InvalidRequest(missing, pointer="/provider")
    check_capabilities(request, spec.name, spec.capabilities)
    session = resolve_session(request, now, delay_s=settings.provider_delay_s)
    for interval in request.intervals.keys() & spec.capabilities.reach_days.keys():
        first = last_sessions(request.intervals[interval], session)[0]
        check_reach(spec.name, spec.capabilities, interval, first, now)
