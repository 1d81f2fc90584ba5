"""`kaboom market-data`: submit jobs on the bars that are kept."""

from typing import Annotated, Any

import typer

from app.cli.client import MARKET_DATA
from app.cli.ingest import parse_interval, submit
from app.cli.options import Json
from app.cli.session import Session

app = typer.Typer(help="Submit jobs on the bars that are kept.", no_args_is_help=True)


@app.command("roll-up")
def roll_up(
    context: typer.Context,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length and sessions back, such as 1d=20 (repeatable; default: all, 1)")
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="only this symbol (repeatable)")] = None,
    provider: Annotated[str | None, typer.Option(help="whose minutes (default: the server's provider)")] = None,
    session_date: Annotated[str | None, typer.Option("--session", help="last session, YYYY-MM-DD")] = None,
    callback_url: Annotated[str | None, typer.Option(help="URL that the server posts the job's end to")] = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="plan only")] = False,
    wait: Annotated[bool, typer.Option(help="follow the job to its end")] = False,
    timeout: Annotated[float | None, typer.Option(help="seconds to wait at most")] = None,
    json: Json = False,
) -> None:
    """Make 5m, 15m, 1h and 1d bars of the minutes that are held, apart from the provider's own."""
    session: Session = context.obj.with_json(json)
    values: dict[str, Any] = {
        "intervals": dict(parse_interval(text) for text in interval or []),
        "symbols": symbol,
        "provider": provider,
        "session": session_date,
        "callback_url": callback_url,
        "dry_run": dry_run,
    }
    body = {name: value for name, value in values.items() if value}
    submit(session, f"{MARKET_DATA}/roll-up", body, wait=wait, timeout_s=timeout)
