"""The job types of ingest; the API and the workers load them, and this module imports nothing heavy."""

from kaboom.ingest.request import BackfillRequest, IngestRequest, QuotesRequest
from kaboom.ingest.request_checks import check_backfill, check_ingest, check_quotes
from kaboom.ingest.results import IngestResult
from kaboom.ingest.retry import build_retry
from kaboom.jobs.job_type import JobType, retry_items
from kaboom.web.auth.scopes import Scope

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
    gauges="kaboom.schedules.overdue:read_overdue",
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
