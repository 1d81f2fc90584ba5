"""The end of a backtest: its result as a table, and its report as a file."""

from pathlib import Path
from typing import Any

from kaboom.cli.output.backtests import print_run, print_sweep
from kaboom.cli.output.summary import print_summary
from kaboom.cli.session import Session

RESULTS = "/api/v1/backtest/results"


def show_end(session: Session, job: dict[str, Any], *, out: Path | None) -> None:
    """Print the result of a run or a sweep that has ended, and write its report."""
    if job["status"] not in {"completed", "partial"}:
        print_summary(session, job)
        return
    path = f"{RESULTS}/{job['job_id']}"
    found = session.client().call("GET", path)
    if session.is_json:
        session.print_json(found)
    elif found["kind"] == "run":
        print_run(session, found)
    else:
        print_sweep(session, found)
    report = session.client().fetch(f"{path}/report.html")
    session.save_file(out or Path(f"backtest-{found['strategy']}.html"), report, "report_written")
