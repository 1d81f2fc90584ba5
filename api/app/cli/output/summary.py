"""The result of a job, in a small table."""

from typing import Any

import orjson
from rich.table import Table

from app.cli.exits import CliError
from app.cli.output.analyses import print_analyses
from app.cli.output.backtests import print_run
from app.cli.output.gaps import print_gaps
from app.cli.output.headline import describe_job, describe_times
from app.cli.output.text import add_row, new_table
from app.cli.output.upkeep import print_upkeep, unit_of
from app.cli.session import Session
from app.jobs.queues import Queue
from app.words.speaker import Speaker
from batch.market.listing import Market
from batch.market.outcome import Outcome


def print_summary(session: Session, job: dict[str, Any]) -> None:
    """Print a job's outcomes to stdout, and commands to run next to stderr; with `--json`, only the job as JSON."""
    if session.print_if_json(job):
        return
    result = job["result"] or {}
    session.show(describe_job(session.words, job))
    if times := describe_times(session.words, job):
        session.show(times)
    if job["error"]:
        message = session.words.detail(str(job["error"].get("message")))
        session.show(session.words.say("job_error", kind=job["error"].get("type"), message=message))
    if "gaps" in result:
        print_gaps(session, result["gaps"])
    if result.get("kind") == "run":
        print_run(session, result)
    else:
        print_upkeep(session, result)
        _print_extras(session, result)
    if "outcomes" in result and ("gaps" not in result or job["progress"]["total"]):
        _print_outcomes(session, job, result)
    _print_next(session, job)


def _print_extras(session: Session, result: dict[str, Any]) -> None:
    """Print the results of other jobs than an ingest: changes of a symbol list, analyses, the folder of indicators."""
    words = session.words
    if "changes" in result:
        changes = words.say("join").join(f"{kind} {found['count']:,}" for kind, found in result["changes"].items())
        session.show(words.say("list_changes", as_of=result["as_of"], previous=result["previous"], changes=changes))
    elif "analyses" in result:
        print_analyses(session, result)
    elif "outcomes" not in result:
        # A job without chunks: print all fields of its result.
        for name, value in result.items():
            session.show(f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}")
    if "folder" in result and "files" not in result:
        session.show(f"{result['folder']}/*.parquet")


def _print_outcomes(session: Session, job: dict[str, Any], result: dict[str, Any]) -> None:
    words = session.words
    if "provider" in result:
        session.show(session.say_source(result["provider"]))
        session.say_terms(result["provider"])
    if unit_of(job) == "symbols":
        session.show(_outcome_table(words, result["outcomes"], has_files=_has_files(result)))
    universe = result.get("universe") or {}
    for left_out in universe.get("left_out") or ():
        session.show(words.say("left_out", what=words.detail(left_out)))
    if universe.get("delisted"):
        session.show(words.say("delisted", count=universe["delisted"], as_of=universe["as_of"]))
    for interval, rows in (result.get("outside") or {}).items():
        command = f"kaboom ingest run-daily --provider {result['provider']} --all --wait"
        session.show(words.say("outside", interval=interval, **rows, command=command))
    session.show(_balance(words, job, result))
    counts = ", ".join(f"{words.coded('count', name)} {n:,}" for name, n in sorted(result["counts"].items()))
    if counts:
        session.show(words.say("quality", counts=counts))


def _has_files(result: dict[str, Any]) -> bool:
    """Return whether the bars came from the user's own files, which have no listings."""
    return (result.get("universe") or {}).get("market") == Market.FILE


def _outcome_table(words: Speaker, outcomes: dict[str, int], *, has_files: bool) -> Table:
    table = new_table(words, "outcome", "symbols", "meaning", right={"symbols"})
    for outcome in Outcome:
        meanings = "outcome_of_files" if has_files else "outcome"
        add_row(table, outcome.value, f"{outcomes.get(outcome, 0):,}", words.code(meanings, outcome.value))
    return table


def _balance(words: Speaker, job: dict[str, Any], result: dict[str, Any]) -> str:
    progress, settled = job["progress"], sum(result["outcomes"].values())
    what = words.say(unit_of(job))
    if job["intervals"]:
        what = words.say("symbols_of", intervals=", ".join(job["intervals"]))
    if settled == progress["total"]:
        return words.say("outcomes_sum", total=settled, what=what, sum=settled)
    counts = {"total": progress["total"], "sum": settled, "cancelled": progress["cancelled"]}
    return words.say("outcomes_missing", what=what, **counts)


def _show_bars(session: Session, job: dict[str, Any], result: dict[str, Any]) -> list[str]:
    interval, provider = next(iter(_intervals(job)), None), result.get("provider")
    if not (result.get("outcomes") or {}).get(Outcome.OK) or interval is None or provider is None:
        return []
    day = result["session"]
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
    return [f"kaboom bars show {held['symbol']}{given}{_of(result)}"] if held else []


def _show_coverage(job: dict[str, Any], result: dict[str, Any]) -> list[str]:
    if not _has_files(result):
        return ["kaboom coverage"]
    return [f"kaboom coverage --interval {interval}{_of(result)} --days 9999" for interval in _intervals(job)]


def _intervals(job: dict[str, Any]) -> list[str]:
    return job.get("intervals") or []


def _of(result: dict[str, Any]) -> str:
    """Return the option that names the source, if the bars came from files."""
    return f" --source {result['provider']}" if _has_files(result) else ""


def _print_next(session: Session, job: dict[str, Any]) -> None:
    result = job["result"] or {}
    lines = []
    if job["queue"] == Queue.BACKTEST:
        lines += [f"kaboom backtest report {job['job_id']}"] if result else []
    elif job["progress"]["total"]:
        lines += [*_show_bars(session, job, result), *_show_coverage(job, result)]
    if (result.get("counts") or {}).get("quarantined"):
        lines += [f"kaboom bars quarantine --interval {interval}{_of(result)}" for interval in _intervals(job)]
    lines.append(f"kaboom jobs show {job['job_id']}")
    if job["progress"]["failed"]:
        lines.append(f"kaboom jobs retry {job['job_id']}")
    session.say("next")
    for line in lines:
        session.tell(f"  {line}")
