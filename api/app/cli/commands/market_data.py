"""`kaboom market-data`: submit jobs on the bars that are kept."""

from typing import Annotated, Any

import typer

from app.cli.client import MARKET_DATA
from app.cli.commands.ingest import parse_interval, submit
from app.cli.options import Callback, DryRun, Json, LastSession, Provider, Symbols, Timeout, Wait
from app.cli.session import Session

app = typer.Typer(help="Submit jobs on the bars that are kept.", no_args_is_help=True)


@app.command("roll-up")
def roll_up(
    context: typer.Context,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length and sessions back, such as 1d=20 (repeatable; default: all, 1)")
    ] = None,
    symbol: Symbols = None,
    provider: Provider = None,
    session_date: LastSession = None,
    callback_url: Callback = None,
    *,
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: Timeout = None,
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


@app.command("mirror")
def mirror(
    context: typer.Context,
    months: Annotated[int | None, typer.Option(help="write the newest so many anew (default: 2)", min=1)] = None,
    form: Annotated[str | None, typer.Option("--format", help="parquet (default), csv or arrow")] = None,
    callback_url: Callback = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="only tell which files would be written")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Write the bars as files under the server's mirror folder, one for each provider, interval and month."""
    session: Session = context.obj.with_json(json)
    values: dict[str, Any] = {"months": months, "format": form, "callback_url": callback_url, "dry_run": dry_run}
    body = {name: value for name, value in values.items() if value}
    submit(session, f"{MARKET_DATA}/mirror", body, wait=wait, timeout_s=timeout)


@app.command("compact")
def compact(
    context: typer.Context,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="bar length and calendar days to keep, such as 1m=90 (repeatable; default: the server's)"),
    ] = None,
    callback_url: Callback = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="only tell what would be dropped")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Drop bars that are older than is wanted, and give unused space back."""
    session: Session = context.obj.with_json(json)
    values: dict[str, Any] = {
        "keep_days": dict(
            parse_interval(text, option="--keep", form="LENGTH=DAYS such as 1m=90") for text in keep or []
        ),
        "callback_url": callback_url,
        "dry_run": dry_run,
    }
    body = {name: value for name, value in values.items() if value}
    submit(session, f"{MARKET_DATA}/compact", body, wait=wait, timeout_s=timeout)
