"""The result of a job, in a small table."""

from typing import Any

from kaboom.cli.exits import CliError
from kaboom.cli.output.headline import describe_job, describe_times
from kaboom.cli.output.kinds import has_files, is_of
from kaboom.cli.session import Session
from kaboom.ingest.results import IngestResult
from kaboom.jobs.model import Queue
from kaboom.jobs.results import OfProvider, OfSession, PlannedResult
from kaboom.market.outcome import Outcome
from kaboom.paper.results import PaperResult


def print_summary(session: Session, job: dict[str, Any]) -> None:
    """Print a job's outcomes to stdout, and commands to run next to stderr; with `--json`, only the job as JSON."""
    if session.print_if_json(job):
        return
    session.show(describe_job(session.words, job))
    if times := describe_times(session.words, job):
        session.show(times)
    if job["error"]:
        message = session.words.detail(str(job["error"].get("message")))
        session.show(session.words.say("{kind}: {message}", kind=job["error"].get("type"), message=message))
    if job["result"]:
        from kaboom.cli.output.results import print_result  # noqa: PLC0415  the results of all jobs, which help does without

        print_result(session, job, job["result"])
    _print_next(session, job)


def _show_bars(session: Session, job: dict[str, Any], result: dict[str, Any]) -> list[str]:
    interval = next(iter(_intervals(job)), None)
    if interval is None or not is_of(job, PlannedResult, OfSession, OfProvider):
        return []
    if not result["outcomes"].get(Outcome.OK):
        return []
    day, provider = result["session"], result["provider"]
    asked = {"interval": interval, "provider": provider, "first": day, "last": day, "limit": 1}
    try:
        # Toyota if the job ingested it, else the first symbol.
        found = (
            row
            for some in ({"symbol": "7203"}, {})
            for row in session.client().call("GET", "/api/v1/coverage", params=asked | some)["items"]
        )
        held = next(found, None)
    except CliError:
        return []
    given = "" if interval == "1m" else f" --interval {interval}"
    return [f"kaboom bars show {held['symbol']}{given}{_of(job)}"] if held else []


def _show_coverage(job: dict[str, Any]) -> list[str]:
    if not has_files(job):
        return ["kaboom coverage"]
    return [f"kaboom coverage --interval {interval}{_of(job)} --days 9999" for interval in _intervals(job)]


def _intervals(job: dict[str, Any]) -> list[str]:
    return job.get("intervals") or []


def _of(job: dict[str, Any]) -> str:
    """Return the option that names the source, if the bars came from files."""
    return f" --source {job['result']['provider']}" if has_files(job) else ""


def _print_next(session: Session, job: dict[str, Any]) -> None:
    result = job["result"] or {}
    lines = []
    if job["queue"] == Queue.BACKTEST:
        report = f"kaboom backtest report {job['job_id']}"
        lines += (
            [f"kaboom paper show {result['portfolio_id']}" if is_of(job, PaperResult) else report] if result else []
        )
    elif job["progress"]["total"] and is_of(job, PlannedResult):
        lines += [*_show_bars(session, job, result), *_show_coverage(job)] if result else []
    if result and is_of(job, IngestResult) and result["counts"].get("quarantined"):
        lines += [f"kaboom bars quarantine --interval {interval}{_of(job)}" for interval in _intervals(job)]
    lines.append(f"kaboom jobs show {job['job_id']}")
    if job["progress"]["failed"]:
        lines.append(f"kaboom jobs retry {job['job_id']}")
    session.say("where to look next:")
    for line in lines:
        session.tell(f"  {line}")
