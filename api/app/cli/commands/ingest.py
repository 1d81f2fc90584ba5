"""`kaboom ingest`: submit ingest jobs."""

from typing import Annotated, Any

import typer

from app.cli.client import INGEST
from app.cli.exits import BY_STATUS, CliError, Exit
from app.cli.options import Callback, DryRun, Json, LastSession, MarketName, Provider, Symbols, Timeout, Wait
from app.cli.output.summary import print_summary
from app.cli.output.watch import watch_job
from app.cli.session import Session

app = typer.Typer(help="Submit ingest jobs.", no_args_is_help=True)


@app.command("run-daily")
def run_daily(
    context: typer.Context,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length and sessions back, such as 1m=1 (repeatable)")
    ] = None,
    market: MarketName = "TSE_PRIME",
    symbol: Symbols = None,
    provider: Provider = None,
    session_date: LastSession = None,
    chunk_size: Annotated[int, typer.Option(help="points in one write request")] = 5000,
    callback_url: Callback = None,
    *,
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Take the last sessions of bars for every symbol of a market."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {
        "intervals": dict(parse_interval(text) for text in interval or ["1m=1"]),
        "market": market,
        "chunk_size": chunk_size,
    }
    optional = {"symbols": symbol, "provider": provider, "session": session_date, "dry_run": dry_run}
    optional |= {"callback_url": callback_url}
    body |= {name: value for name, value in optional.items() if value}
    session.say_terms(provider)
    submit(session, f"{INGEST}/run-daily", body, wait=wait, timeout_s=timeout)


def submit(session: Session, path: str, body: dict[str, Any], *, wait: bool, timeout_s: float | None = None) -> None:
    """Submit a job, and follow it to its end where that is wanted."""
    accepted = session.client().call("POST", path, json=body)
    if not wait:
        _print_accepted(session, accepted)
        return
    session.say("submitted", job_id=accepted["job_id"])
    follow(session, accepted["job_id"], timeout_s=timeout_s)


def follow(session: Session, job_id: str, *, timeout_s: float | None = None) -> None:
    """Follow a job to its end, print what became of it, and exit accordingly; Ctrl-C lets it go on."""
    try:
        job = watch_job(session, session.client(), job_id, timeout_s=timeout_s)
    except KeyboardInterrupt:
        session.say("detached", job_id=job_id)
        raise typer.Exit(Exit.INTERRUPTED) from None
    print_summary(session, job)
    raise typer.Exit(BY_STATUS[job["status"]])


def parse_interval(
    text: str, *, option: str = "--interval", form: str = "LENGTH=SESSIONS such as 1m=1"
) -> tuple[str, int]:
    """Return the interval and the number of an option such as `1m=1`.

    Raises:
        CliError: it is not of that form.

    """
    name, _, count = text.partition("=")
    if not count.isdigit():
        raise CliError(Exit.USAGE, f"{option} was {text!r}, expected {form}")
    return name, int(count)


def _print_accepted(session: Session, accepted: dict[str, Any]) -> None:
    if session.is_json:
        session.print_json(accepted)
    else:
        session.show(f"{accepted['job_id']}  {accepted['status']}")
        session.say("detached", job_id=accepted["job_id"])
