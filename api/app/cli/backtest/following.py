"""Follow a backtest until it ends: its result as a table, and its report as a file."""

from pathlib import Path
from typing import Any

import typer

from app.cli.backtest.local import write_report
from app.cli.exits import BY_STATUS, Exit
from app.cli.output.backtests import print_run, print_sweep
from app.cli.output.summary import print_summary
from app.cli.output.watch import watch_job
from app.cli.session import Session

RESULTS = "/api/v1/backtest/results"


def finish(session: Session, job_id: str, *, out: Path | None, timeout_s: float | None) -> None:
    """Wait for a backtest, print its result, write its report, and exit by its state; after Ctrl-C it continues."""
    job = wait_for(session, job_id, timeout_s=timeout_s)
    if job["status"] not in {"completed", "partial"}:
        print_summary(session, job)
        raise typer.Exit(BY_STATUS[job["status"]])
    found = session.client().call("GET", f"{RESULTS}/{job_id}")
    print_found(session, found)
    report = session.client().fetch(f"{RESULTS}/{job_id}/report.html")
    write_report(session, report, out or Path(f"backtest-{found['strategy']}.html"))
    raise typer.Exit(BY_STATUS[job["status"]])


def wait_for(session: Session, job_id: str, *, timeout_s: float | None) -> dict[str, Any]:
    """Return a job when it has ended."""
    try:
        return watch_job(session, session.client(), job_id, timeout_s=timeout_s)
    except KeyboardInterrupt:
        session.say("detached", job_id=job_id)
        raise typer.Exit(Exit.INTERRUPTED) from None


def print_found(session: Session, found: dict[str, Any]) -> None:
    """Print the result of a run or a sweep."""
    if session.is_json:
        session.print_json(found)
    elif found["kind"] == "run":
        print_run(session, found)
    else:
        print_sweep(session, found)
