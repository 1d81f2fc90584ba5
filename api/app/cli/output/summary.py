"""What became of an ingest job, in a small table."""

from datetime import datetime
from typing import Any

from rich.table import Table

from app.cli.output.gaps import print_gaps
from app.cli.output.text import add_row
from app.cli.output.upkeep import print_upkeep, unit_of
from app.cli.session import Session
from batch.market.outcome import Outcome


def print_summary(session: Session, job: dict[str, Any]) -> None:
    """Print a job's outcomes to stdout and where to look next to stderr; with `--json`, the job as it is."""
    if session.is_json:
        session.print_json(job)
        return
    result = job["result"] or {}
    session.show(_headline(job, result))
    if job["error"]:
        session.show(f"{job['error'].get('type')}: {job['error'].get('message')}")
    if "gaps" in result:
        print_gaps(session, result["gaps"])
    print_upkeep(session, result)
    _print_extras(session, result)
    if result and ("gaps" not in result or job["progress"]["total"]) and "changes" not in result:
        if "provider" in result:
            _print_source(session, result["provider"])
        if unit_of(job) == "symbols":
            session.show(_outcome_table(session, result["outcomes"]))
        session.show(_balance(session, job, result))
        counts = ", ".join(f"{name} {n:,}" for name, n in sorted(result["counts"].items()))
        if counts:
            session.show(f"quality: {counts}")
    _print_next(session, job)


def _print_extras(session: Session, result: dict[str, Any]) -> None:
    """Print what jobs other than an ingest bring: changes of a symbol list, the folder of indicators."""
    if "changes" in result:
        told = " · ".join(f"{kind} {found['count']:,}" for kind, found in result["changes"].items())
        session.show(f"symbols as of {result['as_of']}, since {result['previous']}: {told}")
    if "folder" in result and "files" not in result:
        session.show(f"{result['folder']}/*.parquet")


def _headline(job: dict[str, Any], result: dict[str, Any]) -> str:
    progress, seconds = job["progress"], runtime_s(job)
    parts = [f"{job['status'].upper()}  job {job['job_id']}"]
    if "session" in result:
        parts.append(f"session {result['session']}{'' if result['is_final'] else ' (not final)'}")
    parts.append(f"{progress['rows']:,} rows")
    if seconds:
        parts.append(f"{seconds:.1f} s · {progress['rows'] / seconds:,.0f} rows/s")
    return " · ".join(parts)


def runtime_s(job: dict[str, Any]) -> float | None:
    """Return the seconds from a job's request to its end."""
    if not job["completed_at"] or not job["requested_at"]:
        return None
    begin, end = (datetime.fromisoformat(job[name]) for name in ("requested_at", "completed_at"))
    return max((end - begin).total_seconds(), 0.001)


def _print_source(session: Session, provider: str) -> None:
    session.show(session.say_source(provider))
    session.say_terms(provider)


def _outcome_table(session: Session, outcomes: dict[str, int]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("outcome")
    table.add_column("symbols", justify="right")
    table.add_column("meaning", style="dim")
    for outcome in Outcome:
        add_row(table, outcome.value, f"{outcomes.get(outcome, 0):,}", session.words.outcome(outcome))
    return table


def _balance(session: Session, job: dict[str, Any], result: dict[str, Any]) -> str:
    settled, total = sum(result["outcomes"].values()), job["progress"]["total"]
    what = session.words.say(unit_of(job))
    if job["intervals"]:
        what = session.words.say("symbols_of", intervals=", ".join(job["intervals"]))
    if settled == total:
        return session.words.say("outcomes_sum", total=total, what=what, sum=settled)
    return session.words.say(
        "outcomes_missing", total=total, what=what, sum=settled, cancelled=job["progress"]["cancelled"]
    )


def _print_next(session: Session, job: dict[str, Any]) -> None:
    bars = ["kaboom bars show 7203"] if (job.get("market") or "").startswith("TSE") else []
    lines = [*bars, "kaboom coverage", f"kaboom jobs show {job['job_id']}"]
    if job["progress"]["failed"]:
        lines.append(f"kaboom jobs retry {job['job_id']}")
    session.tell(session.words.say("next") + ":")
    for line in lines:
        session.tell(f"  {line}")
