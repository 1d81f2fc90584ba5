"""`kaboom ai`: analyses of symbols and of ingest jobs."""

from typing import Annotated, Any, Literal

import typer

from app.ai_analysis.jobs import ANALYSE
from app.cli.exits import CliError, Exit
from app.cli.following import submit
from app.cli.options import Callback, Json, Provider, Timeout, Wait
from app.cli.session import Session
from batch.analysis.request import DEFAULT_SESSIONS

app = typer.Typer(help="Analyse symbols and ingest jobs; information only, no investment advice.", no_args_is_help=True)


@app.command("analyse")
def analyse(
    context: typer.Context,
    symbols: Annotated[list[str] | None, typer.Argument(help="symbols such as 7203")] = None,
    *,
    kind: Annotated[Literal["technical", "risk"], typer.Option(help="what about the symbols")] = "technical",
    job: Annotated[str | None, typer.Option(help="explain this ingest job instead")] = None,
    sessions: Annotated[int, typer.Option(help="look-back in sessions", min=30, max=1000)] = DEFAULT_SESSIONS,
    session: Annotated[str | None, typer.Option(help="the last session (default: newest closed)")] = None,
    provider: Provider = None,
    analyst: Annotated[Literal["auto", "rules", "models"], typer.Option(help="who analyses")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be sent to models")] = False,
    callback_url: Callback = None,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Analyse symbols, or explain an ingest job."""
    if bool(symbols) == bool(job):
        raise CliError(Exit.USAGE, "expected either symbols or --job")
    called: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"analyst": analyst, "language": called.words.language, "dry_run": dry_run}
    if job:
        body |= {"kind": "ingest", "job_id": job}
    else:
        body |= {"kind": kind, "symbols": symbols, "sessions": sessions}
    given = {"session": session, "provider": provider, "callback_url": callback_url}
    body |= {name: value for name, value in given.items() if value}
    submit(called, ANALYSE.path, body, wait=wait, timeout_s=timeout)
