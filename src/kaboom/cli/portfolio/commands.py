"""`kaboom portfolio`: create, list and show portfolios, book trades and cash, import and export."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.portfolio.entries import (
    PORTFOLIOS,
    Force,
    Key,
    Which,
    app,
    find_portfolio,
    key_header,
    show_yen,
)
from kaboom.cli.session import Session
from kaboom.drivers.csv_text import decode_csv


@app.command("create")
def create_portfolio(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="name of the portfolio")],
    provider: Annotated[str | None, typer.Option(help="whose bars value it (default: the server's)")] = None,
    lot: Annotated[int, typer.Option(help="shares that buys are a multiple of", min=1, max=1000)] = 100,
    *,
    json: Json = False,
) -> None:
    """Create a portfolio."""
    session: Session = context.obj.with_json(json)
    made = session.client().call("POST", PORTFOLIOS, json=given(name=name, provider=provider, lot=lot))
    if session.print_if_json(made):
        return
    session.show(made["id"])
    session.say("portfolio_created", name=made["name"])


@app.command("rename")
def rename_portfolio(
    context: typer.Context,
    portfolio: Which,
    name: Annotated[str, typer.Argument(help="its new name")],
    *,
    json: Json = False,
) -> None:
    """Give a portfolio another name."""
    session: Session = context.obj.with_json(json)
    changed = session.client().call("PATCH", find_portfolio(session, portfolio), json={"name": name})
    session.print_if_json(changed)
    session.say("portfolio_renamed", name=changed["name"])


@app.command("delete")
def delete_portfolio(
    context: typer.Context,
    portfolio: Which,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; this cannot be undone")] = False,
) -> None:
    """Delete a portfolio. This cannot be undone: export it first."""
    session: Session = context.obj
    path = find_portfolio(session, portfolio)
    if not yes:
        typer.confirm(session.words.say("portfolio_delete", portfolio=portfolio), abort=True, err=True)
    session.client().call("DELETE", path)
    session.say("portfolio_deleted", portfolio=portfolio)


@app.command("list")
def list_portfolios(context: typer.Context, *, json: Json = False) -> None:
    """List portfolios with their cash in yen."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", PORTFOLIOS)
    if session.print_if_json_or_empty(found, "no_portfolios"):
        return
    table = new_table(session.words, "id", "name", "provider", "cash", right={"cash"}, whole={"id"})
    for each in found["items"]:
        add_row(table, each["id"], each["name"], each["provider"], show_yen(each["cash"]))
    session.show(table)


@app.command("show")
def show_portfolio(context: typer.Context, portfolio: Which, *, json: Json = False) -> None:
    """Show positions at their latest closes, and what all is worth, in yen."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", f"{find_portfolio(session, portfolio)}/valuation")
    if session.print_if_json(found):
        return
    session.tell(session.say_source(found["provider"]))
    if found["items"]:
        session.show(_positions_table(session, found["items"]))
    else:
        session.say("no_positions")
    totals = {
        name: show_yen(found[name]) or session.words.say("unknown_value") for name in ("value", "equity", "profit")
    }
    session.show(session.words.say("portfolio_totals", cash=show_yen(found["cash"]), **totals))
    _say_doubts(session, found)


@app.command("import")
def import_file(
    context: typer.Context,
    portfolio: Which,
    file: Annotated[Path, typer.Argument(help="CSV file, in UTF-8 or CP932")],
    key: Key = None,
    *,
    force: Force = False,
    json: Json = False,
) -> None:
    """Book all entries of a CSV file, or none: day,kind,symbol,quantity,price,fee,amount,note."""
    session: Session = context.obj.with_json(json)
    try:
        text = decode_csv(file.read_bytes())
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise CliError(Exit.USAGE, session.words.say("csv_unreadable", path=file, reason=reason)) from e
    path = f"{find_portfolio(session, portfolio)}/import"
    done = session.client().call("POST", path, json={"csv": text, "force": force}, headers=key_header(key))
    session.print_if_json(done)
    session.say("portfolio_imported", count=done["entries"])


@app.command("export")
def export_file(
    context: typer.Context,
    portfolio: Which,
    out: Annotated[Path | None, typer.Option(help="file to write (default: stdout)")] = None,
) -> None:
    """Write all entries in force as CSV for `import`; spreadsheets find no formulas in it."""
    session: Session = context.obj
    content = session.client().fetch(f"{find_portfolio(session, portfolio)}/export")
    if out is None:
        session.write_file(content)
    else:
        session.save_file(out, content, "portfolio_exported")


def _positions_table(session: Session, items: list[dict[str, Any]]) -> Table:
    names = ("symbol", "quantity", "average cost", "close", "session", "value", "unrealised", "realised")
    table = new_table(session.words, *names, right=set(names) - {"symbol", "session"})
    for each in items:
        price = each["price"] or {"close": None, "session": ""}
        amounts = (show_yen(each[name]) for name in ("value", "unrealised", "realised"))
        cost, close = show_yen(each["average_cost"]), show_yen(price["close"])
        add_row(table, each["symbol"], f"{each['quantity']:,}", cost, close, price["session"], *amounts)
    return table


def _say_doubts(session: Session, found: dict[str, Any]) -> None:
    if found["unpriced"]:
        session.say("portfolio_unpriced", symbols=", ".join(found["unpriced"]))
    doubtful = [each["symbol"] for each in found["items"] if each["price"] and each["price"]["is_final"] is not True]
    if doubtful:
        session.say("portfolio_not_final", symbols=", ".join(doubtful))
