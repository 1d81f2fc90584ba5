"""Submit a job from the command line, and follow it until it ends."""

from collections.abc import Callable
from typing import Any

import typer

from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.watch import watch_job
from kaboom.cli.session import Session

type Show = Callable[[Session, dict[str, Any]], None]


def submit(
    session: Session,
    path: str,
    body: dict[str, Any],
    *,
    wait: bool,
    timeout_s: float | None = None,
    show: Show = print_summary,
) -> None:
    """Submit a job; with `wait`, follow it until it ends."""
    accepted = session.client().call("POST", path, json=body)
    if not wait:
        print_state(
            session, accepted, "the job goes on; follow it with: kaboom jobs watch {job_id}", job_id=accepted["job_id"]
        )
        return
    session.say("job {job_id} accepted", job_id=accepted["job_id"])
    follow(session, accepted["job_id"], timeout_s=timeout_s, show=show)


def follow(session: Session, job_id: str, *, timeout_s: float | None = None, show: Show = print_summary) -> None:
    """Follow a job until it ends, print its result, and exit with its code."""
    job = wait_for(session, job_id, timeout_s=timeout_s)
    show(session, job)
    raise typer.Exit(BY_STATUS[job["status"]])


def wait_for(session: Session, job_id: str, *, timeout_s: float | None) -> dict[str, Any]:
    """Return a job when it has ended; after Ctrl-C it continues."""
    try:
        return watch_job(session, session.client(), job_id, timeout_s=timeout_s)
    except KeyboardInterrupt:
        session.say("the job goes on; follow it with: kaboom jobs watch {job_id}", job_id=job_id)
        raise typer.Exit(Exit.INTERRUPTED) from None


def parse_pair(text: str, *, flag: str = "--interval", such_as: str = "1m=1") -> tuple[str, int]:
    """Return the name and the number of an option such as `1m=1`.

    Raises:
        CliError: the text does not have that form.

    """
    name, _, count = text.partition("=")
    if not count.isdigit():
        raise CliError(Exit.USAGE, f"{flag} was {text!r}, expected LENGTH=NUMBER such as {such_as}")
    return name, int(count)


def print_state(session: Session, job: dict[str, Any], message: str, /, **values: object) -> None:
    """Print the id and the state of a job, and a message; with `--json`, only the job as JSON."""
    if not session.print_if_json(job):
        session.show(f"{job['job_id']}  {session.words.coded('job', job['status'])}")
        session.say(message, **values)
