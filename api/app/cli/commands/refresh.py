"""`kaboom market-data refresh-quotes`, `refresh-symbols` and `indicators`: submit these jobs."""

from typing import Annotated, Any

import typer

from app.cli.client import MARKET_DATA
from app.cli.commands.ingest import submit
from app.cli.data.symbols import MostLost
from app.cli.options import (
    Callback,
    DryRun,
    IntervalName,
    Json,
    LastSession,
    MarketName,
    Provider,
    Symbols,
    Timeout,
    Wait,
)
from app.cli.session import Session
from batch.indicators.request import DEFAULT_SESSIONS
from batch.market.master import MOST_LOST_PERCENT

Names = Annotated[list[str], typer.Option("--indicator", "-i", help="such as sma:25, macd:12,26,9 or obv (repeatable)")]
Raw = Annotated[bool, typer.Option("--raw", help="bars as traded (default: adjusted for splits)")]


def refresh_quotes(
    context: typer.Context,
    interval: IntervalName = "1m",
    market: MarketName = "TSE_PRIME",
    symbol: Symbols = None,
    provider: Provider = None,
    callback_url: Callback = None,
    timeout: Timeout = None,
    *,
    dry_run: DryRun = False,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Take the newest bars of every symbol of a market, with as few requests as there can be."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"interval": interval, "market": market, "symbols": symbol, "provider": provider}
    body |= {"callback_url": callback_url, "dry_run": dry_run}
    session.say_terms(provider)
    submit(session, f"{MARKET_DATA}/refresh-quotes", _said(body), wait=wait, timeout_s=timeout)


def refresh_symbols(
    context: typer.Context,
    provider: Provider = None,
    session_date: Annotated[str | None, typer.Option("--session", help="as of which, YYYY-MM-DD")] = None,
    most_lost: MostLost = MOST_LOST_PERCENT,
    callback_url: Callback = None,
    timeout: Timeout = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="only tell what has changed")] = False,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Take a provider's list of what is listed; `kaboom symbols import` takes JPX's."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"provider": provider, "session": session_date, "callback_url": callback_url}
    body = _said(body | {"dry_run": dry_run}) | {"most_lost_percent": most_lost}
    session.say_terms(provider)
    submit(session, f"{MARKET_DATA}/refresh-symbols", body, wait=wait, timeout_s=timeout)


def indicators(
    context: typer.Context,
    indicator: Names,
    interval: IntervalName = "1d",
    sessions: Annotated[int, typer.Option(help="look-back in sessions")] = DEFAULT_SESSIONS,
    market: Annotated[str | None, typer.Option(help="only symbols that are listed there")] = None,
    symbol: Symbols = None,
    provider: Provider = None,
    session_date: LastSession = None,
    callback_url: Callback = None,
    timeout: Timeout = None,
    *,
    raw: Raw = False,
    dry_run: DryRun = False,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Compute indicators of all bars that are held, to a Parquet file for each symbol."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"indicators": indicator, "interval": interval, "sessions": sessions, "market": market}
    body |= {"symbols": symbol, "provider": provider, "session": session_date}
    body |= {"callback_url": callback_url, "dry_run": dry_run}
    submit(session, f"{MARKET_DATA}/indicators", _said(body) | {"adjusted": not raw}, wait=wait, timeout_s=timeout)


def _said(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value}
