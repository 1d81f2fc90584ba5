"""`/api/v1/market-data`: submit jobs that refresh quotes and symbol lists, and that compute indicators."""

from fastapi import APIRouter, Security

from app.auth import INGEST_OWNER, INGEST_SCHEME, MARKET_DATA_PREFIX
from app.deps import Jobs
from app.engine.catalog import MARKET_DATA_INDICATORS, MARKET_DATA_REFRESH_QUOTES, MARKET_DATA_REFRESH_SYMBOLS
from app.errors import RATE_LIMITED, UNAUTHORIZED, UNAVAILABLE, describe_problems
from app.jobs_api.submitting import HowAsked, Submission
from app.jobs_api.view import Accepted
from app.market_data.job_routes import JOBS, SUBMIT
from app.market_data.refresh_bodies import IndicatorsBody, RefreshQuotesBody, RefreshSymbolsBody
from app.market_data.refresh_check import check_indicators, check_quotes, check_symbols

_QUOTES = Submission(MARKET_DATA_REFRESH_QUOTES, INGEST_OWNER, JOBS)
_SYMBOLS = Submission(MARKET_DATA_REFRESH_SYMBOLS, INGEST_OWNER, JOBS)
_INDICATORS = Submission(MARKET_DATA_INDICATORS, INGEST_OWNER, JOBS)

router = APIRouter(
    dependencies=[Security(INGEST_SCHEME)], responses=describe_problems(UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE)
)


@router.post(f"{MARKET_DATA_PREFIX}/refresh-quotes", **SUBMIT)
async def refresh_quotes(jobs: Jobs, body: RefreshQuotesBody, asking: HowAsked) -> Accepted:
    """Take the newest bars of every symbol of a market: of the session that lasts, or what is missing of the last one.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request(jobs.parts.settings.provider)
    check_quotes(asked, jobs)
    return await _QUOTES.submit(jobs, asked.to_json(), body, asking)


@router.post(f"{MARKET_DATA_PREFIX}/refresh-symbols", **SUBMIT)
async def refresh_symbols(jobs: Jobs, body: RefreshSymbolsBody, asking: HowAsked) -> Accepted:
    """Take a provider's list of what is listed; the job's result tells what has changed since the list before.

    A list of which a part seems to be missing is not taken: the job fails, and its error says why.
    """
    asked = body.to_request(jobs.parts.settings.provider)
    check_symbols(asked, jobs)
    return await _SYMBOLS.submit(jobs, asked.to_json(), body, asking)


@router.post(f"{MARKET_DATA_PREFIX}/indicators", **SUBMIT)
async def indicators(jobs: Jobs, body: IndicatorsBody, asking: HowAsked) -> Accepted:
    """Compute indicators of the bars that are held, to a Parquet file for each symbol in the worker's data folder.

    The same request of an unfinished job gets that job (`Kaboom-Coalesced: true`), unless `on_overlap=new`.
    """
    asked = body.to_request(jobs.parts.settings.provider)
    check_indicators(asked)
    return await _INDICATORS.submit(jobs, asked.to_json(), body, asking)
