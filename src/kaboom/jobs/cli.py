"""`kaboom jobs`: list, show, stats, watch, logs, chunks, dead, cancel, retry, delete."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.job_follower import follow, print_state
from kaboom.cli.lookup import QueuedJob
from kaboom.cli.options import Json, given
from kaboom.cli.output.headline import show_tags
from kaboom.cli.output.job_details import chunk_table, describe_pauses, follow_lines, print_line, read_lines
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.text import add_row, new_table, to_jst, to_jst_line
from kaboom.cli.output.watch import find_unready
from kaboom.cli.session import Session
from kaboom.drivers.printable import clean
from kaboom.jobs.model import USER_QUEUES, ChunkState, Queue, writes_bars
from kaboom.text.catalogue import gettext_noop
from kaboom.text.speaker import Speaker

JobId = Annotated[str, typer.Argument(help="32 hex digits, as the submission printed them")]
JobIds = Annotated[
    list[str], typer.Argument(metavar="JOB_ID...", help="32 hex digits each, as the submissions printed them")
]
Reason = Annotated[str | None, typer.Option(help="why; kept in the audit log and in the job's log")]


def cancel(context: typer.Context, job_ids: JobIds, reason: Reason = None, *, json: Json = False) -> None:
    """Cancel jobs; bars already written stay."""
    session: Session = context.obj.with_json(json)
    body = {"reason": reason} if reason else None

    def act(job_id: str) -> None:
        answer = QueuedJob(session.client(), job_id).call("POST", "/cancel", json=body)
        print_state(session, answer, "cancelling job {job_id}", job_id=job_id)

    _act_on_each(session, job_ids, act)


def retry(
    context: typer.Context,
    job_ids: JobIds,
    reason: Reason = None,
    *,
    whole: Annotated[bool, typer.Option("--all", help="run all of it again")] = False,
    wait: Annotated[bool, typer.Option(help="follow the new job until it ends")] = False,
    json: Json = False,
) -> None:
    """Run the failed or cancelled part of each job again, as a new job."""
    session: Session = context.obj.with_json(json)
    body = {"only": "all" if whole else "failed"} | ({"reason": reason} if reason else {})

    def act(job_id: str) -> None:
        answer = QueuedJob(session.client(), job_id).call("POST", "/retry", json=body)
        if wait:
            follow(session, answer["job_id"])
        print_state(session, answer, "job {job_id} runs again as {new}", job_id=job_id, new=answer["job_id"])

    _act_on_each(session, job_ids, act)


def delete(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Delete a finished job and its history; its bars stay."""
    session: Session = context.obj.with_json(json)
    QueuedJob(session.client(), job_id).call("DELETE")
    session.print_if_json({"job_id": job_id, "status": "deleted"})
    session.say("job {job_id} deleted; its bars stay", job_id=job_id)


def _act_on_each(session: Session, job_ids: Sequence[str], act: Callable[[str], None]) -> None:
    """Act on each job once. If one of several jobs is refused, print a line on stderr and continue with the others.

    Raises:
        CliError: the only job is refused.
        typer.Exit: with the code of the first job that was rejected or not completed.

    """
    if len(ids := list(dict.fromkeys(job_ids))) == 1:
        act(ids[0])
        return
    codes = [_act_on_one(session, job_id, act) for job_id in ids]
    raise typer.Exit(next(filter(None, codes), Exit.OK))


def _act_on_one(session: Session, job_id: str, act: Callable[[str], None]) -> int:
    try:
        act(job_id)
    except CliError as e:
        session.tell(f"{job_id}: {session.words.detail(e.message)}")
        return e.code
    except typer.Exit as e:
        if e.exit_code == Exit.INTERRUPTED:
            raise
        return e.exit_code
    return Exit.OK


app = typer.Typer(help="List, show, watch, cancel and retry jobs.", no_args_is_help=True)
_JOBS = "/api/v1/jobs"
#: The width of a terminal from which the list of jobs shows every field.
_WIDE = 110


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="only jobs in this state (repeatable)")] = None,
    q: Annotated[str, typer.Option("--q", help="only jobs that mention these words: an id, a symbol, an error …")] = "",
    limit: Annotated[int, typer.Option(help="jobs on one page", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the previous page, with the same filters")] = None,
    queue: Annotated[
        Queue | None, typer.Option(help="only jobs of this queue (default: all but notifications)")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="only jobs of this kind, such as backtest.run (repeatable)")
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="also jobs that Kaboom submits itself, such as deliveries")
    ] = False,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    session: Session = context.obj.with_json(json)
    params = given(limit=limit, status=status or [], task=task or [], q=q or None, cursor=cursor or None)
    queues = () if every else USER_QUEUES
    params |= given(queue=[each.value for each in ((queue,) if queue else queues)])
    page = session.client().call("GET", _JOBS, params=params)
    if session.print_if_json(page):
        return
    back_to = to_jst_line(page.get("searched_back_to"))
    if page["items"]:
        session.show(_job_table(session, page["items"]))
    elif not back_to:
        session.say(_explain_none(session, is_filtered=bool(status or queue or task or cursor), q=q), q=q)
    if back_to:
        message = (
            gettext_noop("searched the jobs since {at}; search older ones: --cursor {cursor}")
            if page["items"]
            else gettext_noop("no job since {at} mentions {q}; search older ones: --cursor {cursor}")
        )
        session.say(message, q=q, at=back_to, cursor=page["next_cursor"])


@app.command("show")
def show_job(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Show one job and its failures."""
    session: Session = context.obj.with_json(json)
    queued = QueuedJob(session.client(), job_id)
    job = queued.call("GET")
    print_summary(session, job)
    if not session.is_json and not job["completed_at"] and (why := find_unready(session.client())):
        session.tell(why)
    if session.is_json or not job["progress"]["failed"]:
        return
    failures = queued.call("GET", "/failures", params={"limit": 20})
    session.show(_failure_table(session.words, failures))


@app.command("stats")
def stats(context: typer.Context, *, json: Json = False) -> None:
    """Count the jobs of each queue by state, with what waits and what runs."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", f"{_JOBS}/stats")
    if not session.print_if_json(found):
        session.show(_stats_table(session.words, found))


@app.command("watch")
def watch(
    context: typer.Context,
    job_id: JobId,
    timeout: Annotated[float | None, typer.Option(help="longest wait in seconds")] = None,
    *,
    json: Json = False,
) -> None:
    """Follow a job until it ends; the exit code is its result."""
    follow(context.obj.with_json(json), job_id, timeout_s=timeout)


@app.command("logs")
def logs(
    context: typer.Context,
    job_id: JobId,
    level: Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="this level and above")] = "debug",
    q: Annotated[str, typer.Option("--q", help="only lines with all of these words")] = "",
    *,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="keep reading until the job ends")] = False,
    json: Json = False,
) -> None:
    """Show the log of a job; with --json, one object per line."""
    session: Session = context.obj.with_json(json)
    client, read = session.client(), follow_lines if wait else read_lines
    is_empty = True
    try:
        for line in QueuedJob(client, job_id).lines(lambda path: read(client, path, level, q)):
            is_empty = False
            print_line(session, line)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    if is_empty and q:
        session.say("no line of the log has the words {q}", q=q)
    elif is_empty:
        session.say(
            "the log has no line at level {level} or above; new lines can take a few seconds to arrive", level=level
        )


@app.command("chunks")
def chunks(
    context: typer.Context,
    job_id: JobId,
    state: Annotated[list[ChunkState] | None, typer.Option(help="only chunks in this state (repeatable)")] = None,
    *,
    json: Json = False,
) -> None:
    """Show which worker ran each chunk of a job, from when to when, and how it ended."""
    session: Session = context.obj.with_json(json)
    params = {"state": [each.value for each in state or []]}
    page = QueuedJob(session.client(), job_id).call("GET", "/chunks", params=params)
    if session.print_if_json(page):
        return
    session.show(chunk_table(session.words, page))
    for line in describe_pauses(session.words, page):
        session.show(line)


@app.command("dead")
def dead(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="chunks on one page", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the previous page, with the same filters")] = None,
    queue: Annotated[Queue | None, typer.Option(help="only chunks of this queue (default: all)")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="also those whose job was retried")] = False,
    json: Json = False,
) -> None:
    """List chunks that were given up, newest first; `kaboom jobs retry` runs their jobs again."""
    session: Session = context.obj.with_json(json)
    is_retried = None if every else "false"
    params = given(limit=limit, cursor=cursor, queue=queue and queue.value, is_retried=is_retried)
    page = session.client().call("GET", "/api/v1/dead-letters", params=params)
    if not session.print_if_json_or_empty(page, "no chunk was given up"):
        session.show(_dead_table(session.words, page["items"]))


for act in (cancel, retry, delete):
    app.command(act.__name__)(act)


def _explain_none(session: Session, *, is_filtered: bool, q: str) -> str:
    """Return the name of the message for an empty list; one of some states may be empty beside other jobs."""
    if q:
        return gettext_noop("no job mentions {q}")
    has_others = is_filtered and session.client().call("GET", _JOBS, params={"limit": 1})["items"]
    return (
        gettext_noop("no job is in this state or queue; for all jobs: kaboom jobs list")
        if has_others
        else gettext_noop("no jobs yet; submit one: kaboom ingest run-daily --wait")
    )


#: Columns that are left out if no job of the list has a value.
_OF_BARS = ("market", "rows")


def _job_table(session: Session, jobs: list[dict[str, Any]]) -> Table:
    """Return a table of jobs; for a narrow terminal with two lines for each job, and without rows."""
    if session.out.width < _WIDE:
        return _narrow_job_table(session.words, jobs)
    counts = ("done", "failed", "total", "rows")
    names = ("job", "status", "market", "task", "requested (JST)", *counts)
    rows = list[tuple[str, ...]]()
    for job in jobs:
        # A job without items, or one that is not planned yet, has nothing to count.
        numbers = [f"{job['progress'][name]:,}" if job["progress"]["total"] else "" for name in counts]
        if not writes_bars(job["queue"], job["progress"]["rows"]):
            numbers[-1] = ""
        task = f"{job['task']} {show_tags(job)}".strip()
        head = (job["job_id"], session.words.coded("job", job["status"]), job["market"] or "", task)
        rows.append((*head, to_jst(job["requested_at"]), *numbers))
    # Deliveries and analyses have no market, and write no bars.
    shown = [at for at, name in enumerate(names) if name not in _OF_BARS or any(row[at] for row in rows)]
    table = new_table(session.words, *(names[at] for at in shown), right=counts, whole={"job"})
    for row in rows:
        add_row(table, *(row[at] for at in shown))
    return table


def _narrow_job_table(words: Speaker, jobs: list[dict[str, Any]]) -> Table:
    """Return a table that a terminal of 60 columns shows."""
    table = new_table(words, "job", "status", "at (JST)", whole={"job", "status", "at (JST)"})
    for job in jobs:
        progress, task, market = job["progress"], job["task"], job["market"] or ""
        # The market, where the line is no longer than the id.
        head = [job["job_id"], f"  {task} {market}" if len(f"  {task} {market}") <= len(job["job_id"]) else f"  {task}"]
        status = words.coded("job", job["status"]).split(" ")
        if progress["failed"]:
            status.append(words.say("{failed:,} failed", failed=progress["failed"]))
        at = [to_jst(job["requested_at"])[5:]]
        if progress["total"]:
            at.append(f"{progress['done']:,}/{progress['total']:,}")
        add_row(table, *(Text("\n".join(map(clean, lines))) for lines in (head, status, at)))
    return table


def _stats_table(words: Speaker, found: dict[str, Any]) -> Table:
    queues = {queue["queue"]: queue for queue in found["queues"]} | {words.header("total"): found}
    table = new_table(words, "state")
    for name in queues:
        table.add_column(Text(clean(name)), justify="right")
    for status in found["by_status"]:
        add_row(table, words.coded("job", status), *(f"{queue['by_status'][status]:,}" for queue in queues.values()))
    waiting = (f"{queue['waiting_messages']:,}" for queue in queues.values())
    add_row(table, words.say("messages that wait"), *waiting)
    return table


def _dead_table(words: Speaker, letters: list[dict[str, Any]]) -> Table:
    names = ("job", "chunk", "given up (JST)", "failed", "attempts", "retried as", "reason")
    table = new_table(words, *names, right={"chunk", "failed", "attempts"}, whole={"job"})
    for letter in letters:
        head = (letter["job_id"], letter["chunk"], to_jst(letter["given_up_at"], "seconds"))
        counts = (f"{letter['failed']:,}/{letter['items']:,}", str(letter["attempts"]))
        add_row(table, *head, *counts, letter["retried_as"] or "", words.detail(letter["cause"]))
    return table


def _failure_table(words: Speaker, page: dict[str, Any]) -> Table:
    names = ("symbol", "interval", "outcome", "attempts", "message")
    table = new_table(words, *names, title=words.say("failures ({total:,})", total=page["total"]))
    for item in page["items"]:
        outcome = words.coded("outcome", item["outcome"])
        message = words.detail(item["message"] or "")
        add_row(table, item["item"], item["interval"] or "", outcome, str(item["attempts"]), message)
    return table
