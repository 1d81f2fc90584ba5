"""`kaboom jobs cancel`, `retry` and `delete`."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.following import follow, print_state
from kaboom.cli.options import Json
from kaboom.cli.queued import QueuedJob
from kaboom.cli.session import Session

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
        print_state(session, answer, "cancelled", job_id=job_id)

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
        print_state(session, answer, "retried_as", job_id=job_id, new=answer["job_id"])

    _act_on_each(session, job_ids, act)


def delete(context: typer.Context, job_id: JobId, *, json: Json = False) -> None:
    """Delete a finished job and its history; its bars stay."""
    session: Session = context.obj.with_json(json)
    QueuedJob(session.client(), job_id).call("DELETE")
    session.print_if_json({"job_id": job_id, "status": "deleted"})
    session.say("deleted", job_id=job_id)


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
