"""`/api/v1/backtest`: the results of backtests with their files, the comparison of runs, and the strategies."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from pydantic import StringConstraints

from kaboom.backtest.examples import CSV
from kaboom.backtest.report.comparison import Comparison, compare_runs
from kaboom.backtest.report.content import ReportContent
from kaboom.backtest.report.picture import picture_of
from kaboom.backtest.results import FoundBySweep, RunResult, RunsCompared, StrategyList, list_strategies
from kaboom.backtest.summary import FILES
from kaboom.errors import NotFound
from kaboom.jobs.api.routes import Named, NamedJob
from kaboom.jobs.deps import PNG, Caller, Jobs, draw_picture, needs
from kaboom.jobs.model import Queue
from kaboom.pictures.model import Picture
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import INVALID, NOT_FOUND, UNAVAILABLE, describe_problems
from kaboom.web.routers import FeatureRouter

_MOST_RUNS = 8
FileName = Annotated[
    Literal[
        "report.html",
        "report.json",
        "equity.csv",
        "trades.csv",
        "orders.csv",
        "trials.csv",
        "surface.json",
        "summary.json",
    ],
    Path(description="`trials.csv` and `surface.json` are there of a sweep alone"),
]
Spoken = Annotated[Literal["en", "ja"], Query(alias="lang", description="the language that a report opens in")]
RunIds = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]],
    Query(alias="job", min_length=2, max_length=_MOST_RUNS, description="the ids of jobs that have ended"),
]
_READS = [needs(Scope.JOBS_READ)]
#: A report has inline styles and no scripts.
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
_DRAWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "the report as a picture, 1,200 pixels wide", "content": PNG},
    **describe_problems(NOT_FOUND, INVALID, UNAVAILABLE),
}
_ENGLISH = b'<input class="lang" type="radio" name="lang" id="en" checked aria-label="English">'
_JAPANESE = '<input class="lang" type="radio" name="lang" id="ja" aria-label="日本語">'.encode()


async def get_strategies(jobs: Jobs, caller: Caller) -> StrategyList:
    """List the strategies that come with Kaboom, with the JSON schemas of their parameters, and those of your own."""
    may_run_own = Scope.STRATEGIES_RUN in caller.scopes
    return await asyncio.to_thread(list_strategies, jobs.parts.settings.strategies_dir, may_run_own=may_run_own)


async def get_result(jobs: Jobs, named: NamedJob) -> Response:
    """Show the result of a backtest or a sweep; 404 until it has ended."""
    content = await _load(jobs, named, "summary.json")
    return Response(content, media_type=FILES["summary.json"], headers=_HEADERS)


async def get_file(jobs: Jobs, named: NamedJob, name: FileName, language: Spoken = "en") -> Response:
    """Return a file of a backtest: its report, curves or trades, or all trials of a sweep and their surface."""
    content = await _load(jobs, named, name)
    if name == "report.html":
        content = open_in(content, language)
    return Response(content, media_type=FILES[name], headers=_HEADERS | _named(named, name))


async def get_picture(jobs: Jobs, named: NamedJob, request: Request, language: Spoken = "en") -> Response:
    """Draw the report of a backtest; 404 if the server has no matplotlib (`kaboom-api[pictures]`)."""
    kept = await _load(jobs, named, "report.json")
    picture = await asyncio.to_thread(_to_picture, kept)
    content = await draw_picture(request, picture, language)
    return Response(content, media_type="image/png", headers=_HEADERS | _named(named, "report.png"))


async def compare(jobs: Jobs, caller: Caller, ids: RunIds) -> Comparison:
    """Compare runs: metrics, equity from a start of 100, and differences; a sweep stands for its best run."""
    kept = {each: await _load(jobs, Named(jobs, caller, each), "report.json") for each in dict.fromkeys(ids)}
    return await asyncio.to_thread(_compare, kept)


def _to_picture(kept: bytes) -> Picture:
    return picture_of(ReportContent.model_validate_json(kept))


def _compare(kept: dict[str, bytes]) -> Comparison:
    return compare_runs({job_id: ReportContent.model_validate_json(content) for job_id, content in kept.items()})


def _named(named: Named, name: str) -> dict[str, str]:
    return {"Content-Disposition": f'inline; filename="{named.job_id[:8]}-{name}"'}


async def _load(jobs: Jobs, named: Named, name: str) -> bytes:
    job = await named.find(Queue.BACKTEST)
    content = await jobs.parts.files.load(job.job_id, name)
    if content is None:
        raise NotFound(f"job {job.job_id} has no {name}; its status is {job.status}")
    return content


_PROBLEMS = describe_problems(NOT_FOUND, INVALID)
router = FeatureRouter(prefix="/api/v1/backtest", tags=["backtest"], dependencies=_READS)
router.add_api_route("/strategies", get_strategies)
router.add_api_route("/compare", compare, response_model=RunsCompared, responses=_PROBLEMS)
router.add_api_route("/results/{job_id}", get_result, response_model=RunResult | FoundBySweep, responses=_PROBLEMS)
router.add_api_route("/results/{job_id}/report.png", get_picture, response_class=Response, responses=_DRAWN)
router.add_api_route("/results/{job_id}/{name}", get_file, response_class=Response, responses=_FILE_ANSWERS | _PROBLEMS)


def open_in(page: bytes, language: Literal["en", "ja"]) -> bytes:
    """Return the HTML of a report so that it opens in a language; the stored file opens in English."""
    if language == "en":
        return page
    chosen = _JAPANESE.replace(b' id="ja"', b' id="ja" checked')
    page = page.replace(_ENGLISH, _ENGLISH.replace(b" checked", b""), 1).replace(_JAPANESE, chosen, 1)
    return page.replace(b'<html lang="en">', b'<html lang="ja">', 1)
