"""The job types of ingest; the API and the workers load them, and this module imports nothing heavy."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.ingest.checks import check_capabilities, check_named, check_reach, resolve_session
from kaboom.ingest.request import BackfillRequest, IngestRequest, QuotesRequest
from kaboom.ingest.results import IngestResult
from kaboom.jobs.job_type import JobType, items_left, nothing_left, retry_items
from kaboom.jobs.model import Chunk, Job
from kaboom.market.calendar import check_first, last_sessions
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.providers.registry import get_provider_spec
from kaboom.providers.spec import ProviderSpec
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def build_retry(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the request for the symbols that failed, were cancelled or given up, of the same session.

    Raises:
        Conflict: nothing is left to do.

    """
    if job.plan is None:
        return job.request
    left: dict[str, list[str]] = {}
    for chunk in chunks:
        known = left.setdefault(chunk.payload["interval"], [])
        known += [item for item in items_left(chunk) if item not in known]
    only = {interval: items for interval, items in left.items() if items}
    if not only:
        raise nothing_left(job)
    given = job.request.get("intervals", {})
    intervals = {interval: given[interval] for interval in only if interval in given}
    request = {**job.request, "intervals": intervals, "only": only, "provider": job.plan["provider"]}
    if Market(job.request["market"]).is_tse:
        # The same session, even if a newer session has closed since.
        request["session"] = job.plan["session"]
    return request


def check_ingest(request: IngestRequest, settings: "AppSettings") -> IngestRequest:
    """Return the request; reject it if a worker with the same settings would reject it.

    Raises:
        InvalidRequest: the provider lacks a setting, cannot serve the request or has no bars that old, the session is
            not a trading day or has not opened, or a named symbol was not listed.

    """
    spec, now = find_provider(request.provider, settings), utc_now()
    if "market" not in request.model_fields_set and Market.FILE in spec.capabilities.markets:
        # The provider reads files: the default is all symbols of the files, not a section of the TSE.
        request = request.filled(market=Market.FILE.value)
    check_capabilities(request, spec.name, spec.capabilities)
    check_first(request.first, now)
    session: date = resolve_session(request, now, delay_s=settings.provider_delay_s)
    check_named(request, session, spec.capabilities, partial(load_history, settings.symbols_dir))
    for interval in request.intervals.keys() & spec.capabilities.reach_days.keys():
        first = last_sessions(request.intervals[interval], session)[0]
        check_reach(spec.name, spec.capabilities, interval, first, now)
    return request


def check_backfill(request: BackfillRequest, settings: "AppSettings") -> BackfillRequest:
    """Return the request; reject it if `check_ingest` rejects the same scope.

    Raises:
        InvalidRequest: as for `check_ingest`; the field of the last session is `last`.

    """
    check_first(request.first, utc_now())
    try:
        check_ingest(request.scope, settings)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/last" if e.pointer == "/session" else e.pointer) from e
    return request


def check_quotes(request: QuotesRequest, settings: "AppSettings") -> IngestRequest:
    """Return the refresh of quotes as an ingest of one session.

    Raises:
        InvalidRequest: the provider lacks a setting, does not serve the market or the interval, or a named symbol was
            not listed.

    """
    ingest, spec = request.to_ingest(settings.provider), find_provider(request.provider, settings)
    try:
        check_capabilities(ingest, spec.name, spec.capabilities)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/interval" if e.pointer == "/intervals" else e.pointer) from e
    newest = resolve_session(ingest, utc_now(), delay_s=settings.provider_delay_s)
    check_named(ingest, newest, spec.capabilities, partial(load_history, settings.symbols_dir))
    return ingest


def find_provider(name: str | None, settings: "AppSettings") -> ProviderSpec:
    """Return the provider of a request, by default the configured provider.

    Raises:
        InvalidRequest: the provider lacks a setting.

    """
    spec = get_provider_spec(name or settings.provider)
    if missing := settings.lacking_for(spec.name):
        raise InvalidRequest(missing, pointer="/provider")
    return spec


RUN_DAILY = JobType(
    name="ingest.run_daily",
    summary="Take the last sessions of bars for every symbol of a market",
    request=IngestRequest,
    check=check_ingest,
    plan="kaboom.ingest.tasks:run_daily",
    run_chunk="kaboom.ingest.tasks:run_chunk",
    build_retry=build_retry,
    result=IngestResult,
    lost_item="write_failed",
    scope=Scope.INGEST,
    is_schedulable=True,
    example={"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500},
)

BACKFILL = JobType(
    name="ingest.backfill",
    summary="Take the bars that are missing, lost or not final, and nothing else",
    notes="The job's result says what was found.",
    request=BackfillRequest,
    check=check_backfill,
    plan="kaboom.ingest.tasks:backfill",
    run_chunk="kaboom.ingest.tasks:run_chunk",
    build_retry=build_retry,
    result=IngestResult,
    lost_item="write_failed",
    scope=Scope.INGEST,
    example={"intervals": {"1m": 20}, "market": "TSE_PRIME"},
)

#: An ingest of one session, in the queue of the other refreshes.
REFRESH_QUOTES = JobType(
    name="market_data.refresh_quotes",
    summary="Take the newest bars of every symbol of a market, with as few requests as possible",
    notes="A running session is taken whole; of one that is over, only what is missing.",
    request=QuotesRequest,
    check=check_quotes,
    kept=IngestRequest,
    plan="kaboom.ingest.tasks:refresh_quotes",
    run_chunk="kaboom.ingest.tasks:run_chunk",
    build_retry=retry_items("symbols", from_plan=("session",)),
    result=IngestResult,
    lost_item="write_failed",
    scope=Scope.INGEST,
    is_schedulable=True,
    example={"interval": "1m", "market": "TSE_PRIME"},
)
