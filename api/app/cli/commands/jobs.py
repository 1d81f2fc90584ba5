"""`kaboom jobs`: list, show, watch, logs, cancel, retry, delete."""

from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.client import JOBS
from app.cli.commands.following import follow
from app.cli.exits import Exit
from app.cli.options import Json
from app.cli.output.logs import LogLevel, follow_lines, print_line, read_lines
from app.cli.output.summary import print_summary
from app.cli.output.text import add_row
from app.cli.queued import QueuedJob
from app.cli.session import Session
from app.jobs.queues import Queue

app = typer.Typer(help="Look at jobs and steer them.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="32 hex digits, as the submission printed them")]


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="only this state (repeatable)")] = None,
    q: Annotated[str, typer.Option("--q", help="only jobs that mention these words: an id, a symbol, an error …")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before, with the same filters")] = None,
    queue: Annotated[Queue | None, typer.Option(help="only this one (default: all)")] = None,
    *,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    session: Session = context.obj.with_json(json)
    params: dict[str, Any] = {"limit": limit, "status": status or []}
    params |= {name: value for name, value in {"q": q, "cursor": cursor}.items() if value}
    if queue:
        params["queue"] = queue.value
    page = session.client().call("GET", JOBS, params=params)
    if session.is_json:
        session.print_json(page)
    elif not page["items"]:
        if q:
            session.say("no_jobs_found", q=q)
        else:
            session.say("no_jobs")
    else:
        session.show(_job_table(page["items"]))


@app.command("show")
def show_job(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Show one job, and what failed in it."""
    session: Session = context.obj.with_json(json)
    queued = QueuedJob(session.client(), job_id)
    job = queued.call("GET")
    print_summary(session, job)
    if session.is_json or not job["progress"]["failed"]:
        return
    failures = queued.call("GET", "/failures", params={"limit": 20})
    session.show(_failure_table(failures))


@app.command("watch")
def watch(
    context: typer.Context,
    job_id: JobId,
    timeout: Annotated[float | None, typer.Option(help="seconds to wait at most")] = None,
    *,
    json: Json = False,
) -> None:
    """Follow a job to its end; the exit code tells how it ended."""
    follow(context.obj.with_json(json), job_id, timeout_s=timeout)


@app.command("logs")
def logs(
    context: typer.Context,
    job_id: JobId,
    level: Annotated[LogLevel, typer.Option(help="this level and above")] = LogLevel.DEBUG,
    *,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="go on until the job has ended")] = False,
    json: Json = False,
) -> None:
    """Show what was logged of a job; with --json one object a line."""
    session: Session = context.obj.with_json(json)
    client, read = session.client(), follow_lines if wait else read_lines
    try:
        for line in QueuedJob(client, job_id).lines(lambda path: read(client, path, level)):
            print_line(session, line)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


@app.command("cancel")
def cancel(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Ask a job to stop; what is written stays."""
    session: Session = context.obj.with_json(json)
    answer = QueuedJob(session.client(), job_id).call("POST", "/cancel")
    _print_answer(session, answer, "cancelled")


@app.command("retry")
def retry(
    context: typer.Context,
    job_id: JobId,
    *,
    wait: Annotated[bool, typer.Option(help="follow the new job to its end")] = False,
    json: Json = False,
) -> None:
    """Run what failed, was cancelled or given up again, as a new job."""
    session: Session = context.obj.with_json(json)
    answer = QueuedJob(session.client(), job_id).call("POST", "/retry", json={"only": "failed"})
    if wait:
        follow(session, answer["job_id"])
    _print_answer(session, answer, "submitted")


@app.command("delete")
def delete(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Drop a finished job and its history; its bars stay."""
    session: Session = context.obj.with_json(json)
    QueuedJob(session.client(), job_id).call("DELETE")
    if session.is_json:
        session.print_json({"job_id": job_id, "status": "deleted"})
    session.say("deleted", job_id=job_id)


def _print_answer(session: Session, answer: dict[str, Any], message: str) -> None:
    if session.is_json:
        session.print_json(answer)
    else:
        session.show(f"{answer['job_id']}  {answer['status']}")
        session.say(message, job_id=answer["job_id"])


def _job_table(jobs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("job", "status", "market", "task", "requested (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("done", "failed", "total", "rows"):
        table.add_column(name, justify="right")
    for job in jobs:
        progress = job["progress"]
        requested_at = (job["requested_at"] or "")[:19].replace("T", " ")
        counts = [f"{progress[name]:,}" for name in ("done", "failed", "total", "rows")]
        add_row(table, job["job_id"], job["status"], job["market"] or "", job["task"], requested_at, *counts)
    return table


def _failure_table(page: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, title=f"failures ({page['total']:,})", title_justify="left")
    for name in ("symbol", "interval", "outcome", "attempts", "message"):
        table.add_column(name)
    for item in page["items"]:
        cells = (item["item"], item["interval"] or "", item["outcome"], str(item["attempts"]), item["message"])
        add_row(table, *cells)
    return table
