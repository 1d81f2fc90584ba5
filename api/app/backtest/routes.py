"""`/api/v1/backtest/results`: what backtests found, and their files; and the strategies that there are."""

from typing import Annotated, Any, Literal

from fastapi import Path, Response

from app.auth.scopes import Scope
from app.backtest.examples import CSV
from app.backtest.results import FoundBySweep, RunResult, StrategyList, list_strategies
from app.deps import Caller, Jobs, needs
from app.errors import INVALID, NOT_FOUND, describe_problems
from app.jobs.queues import Queue
from app.jobs_api.routes import NamedJob
from app.routers import FeatureRouter
from batch.backtest.summary import FILES
from batch.errors import NotFound

FileName = Annotated[
    Literal["report.html", "equity.csv", "trades.csv", "trials.csv", "summary.json"],
    Path(description="`trials.csv` is there of a sweep alone"),
]
_READS = [needs(Scope.JOBS_READ)]
#: A report has a style of its own, and no script.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {
            "text/html": {"schema": {"type": "string"}, "examples": {"report": {"value": "<!doctype html>…"}}},
            "text/csv": {"schema": {"type": "string"}, "examples": {"equity": {"value": CSV}}},
            "application/json": {"schema": {"type": "object"}, "examples": {"summary": {"value": {"kind": "run"}}}},
        },
    }
}


async def get_strategies(_caller: Caller) -> StrategyList:
    """List the strategies that come with Kaboom, each with the JSON schema of its parameters."""
    return list_strategies()


async def get_result(jobs: Jobs, named: NamedJob) -> Response:
    """Show what a backtest or a sweep found; 404 until it has ended."""
    content = await _load(jobs, named, "summary.json")
    return Response(content, media_type=FILES["summary.json"], headers=_HEADERS)


async def get_file(jobs: Jobs, named: NamedJob, name: FileName) -> Response:
    """Give a file of a backtest: its report, curves or trades, or all trials of a sweep."""
    content = await _load(jobs, named, name)
    short = named.job_id[:8]
    headers = _HEADERS | {"Content-Disposition": f'inline; filename="{short}-{name}"'}
    return Response(content, media_type=FILES[name], headers=headers)


async def _load(jobs: Jobs, named: NamedJob, name: str) -> bytes:
    job = await named.find(Queue.BACKTEST)
    content = await jobs.parts.files.load(job.job_id, name)
    if content is None:
        raise NotFound(f"job {job.job_id} has no {name}; its status is {job.status}")
    return content


_PROBLEMS = describe_problems(NOT_FOUND, INVALID)
router = FeatureRouter(prefix="/api/v1/backtest", tags=["backtest"], dependencies=_READS)
router.add_api_route("/strategies", get_strategies)
router.add_api_route("/results/{job_id}", get_result, response_model=RunResult | FoundBySweep, responses=_PROBLEMS)
router.add_api_route("/results/{job_id}/{name}", get_file, response_class=Response, responses=_FILE_ANSWERS | _PROBLEMS)
