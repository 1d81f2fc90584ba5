"""`kaboom ingest backfill`: take what is missing, and nothing else."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from kaboom.cli.dates import parse_day
from kaboom.cli.job_follower import parse_pair, submit
from kaboom.cli.options import Callback, Json, MarketName, Provider, Symbols, Timeout, Wait
from kaboom.cli.session import Session
from kaboom.ingest.jobs import BACKFILL

_LOOK_BACK = "20"


def backfill(
    context: typer.Context,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length, and sessions back, such as 1m=20 (repeatable)")
    ] = None,
    market: MarketName = "TSE_PRIME",
    symbol: Symbols = None,
    provider: Provider = None,
    first: Annotated[str | None, typer.Option("--from", help="first session, YYYY-MM-DD")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last session, YYYY-MM-DD (default: newest)")] = None,
    chunk_size: Annotated[int, typer.Option(help="points in one write request")] = 5000,
    callback_url: Callback = None,
    *,
    include_short: Annotated[
        bool, typer.Option("--include-short", help="also sessions with few bars, or no closing auction")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="only print what would be taken")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Take the bars that are missing, lost or not final, and nothing else."""
    session: Session = context.obj.with_json(json)
    days = _count_sessions(first, last) if first else _LOOK_BACK
    body: dict[str, Any] = {
        "intervals": dict(parse_pair(text if "=" in text else f"{text}={days}") for text in interval or ["1m"]),
        "market": market,
        "chunk_size": chunk_size,
    }
    optional: dict[str, Any] = {
        "symbols": symbol,
        "provider": provider,
        "first": first,
        "last": last,
        "callback_url": callback_url,
    }
    optional |= {"include_short": include_short, "dry_run": dry_run}
    body |= {name: value for name, value in optional.items() if value}
    session.say_terms(provider)
    # Always wait for a dry run: it takes a second, and has nothing to print before it ends.
    submit(session, BACKFILL.path, body, wait=wait or dry_run, timeout_s=timeout)


def _count_sessions(first: str, last: str | None) -> int:
    from kaboom.market.calendar import sessions_between  # noqa: PLC0415  no other option needs the calendar

    begin = parse_day(first, "--from")
    end = parse_day(last, "--to") if last else datetime.now(UTC).date()
    return max(1, len(sessions_between(begin, end)))
