"""`kaboom portfolio`: book trades and cash, take an entry back, and list what was booked."""

from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from kaboom.cli.finding import find_id
from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session

app = typer.Typer(help="Keep portfolios: trades, cash, positions and what they are worth.", no_args_is_help=True)
PORTFOLIOS = "/api/v1/portfolios"

Which = Annotated[str, typer.Argument(metavar="PORTFOLIO", help="name or id of a portfolio")]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency-Key: a second call with it books nothing")]
Force = Annotated[
    bool, typer.Option("--force", help="book trades on a day without trading, or at a price far from the bars, too")
]
_Day = Annotated[str | None, typer.Option(help="YYYY-MM-DD in Japan (default: today)")]
_Note = Annotated[str, typer.Option(help="free text")]
_Limit = Annotated[int, typer.Option(help="entries to show", min=1, max=1000)]


@app.command("trade")
def book_trade(
    context: typer.Context,
    portfolio: Which,
    side: Annotated[str, typer.Argument(help="buy or sell")],
    symbol: Annotated[str, typer.Argument(help="such as 7203")],
    quantity: Annotated[int, typer.Argument(help="shares")],
    price: Annotated[str, typer.Argument(help="yen a share, such as 2841.5")],
    fee: Annotated[str, typer.Option(help="yen paid beside the price")] = "0",
    day: _Day = None,
    note: _Note = "",
    key: Key = None,
    *,
    force: Force = False,
    json: Json = False,
) -> None:
    """Book a buy or a sell."""
    session: Session = context.obj.with_json(json)
    body = given(side=side, symbol=symbol, quantity=quantity, price=price, fee=fee, day=day, note=note)
    body |= {"force": True} if force else {}
    _book(session, f"{find_portfolio(session, portfolio)}/trades", body, key)


@app.command("cash")
def book_cash(
    context: typer.Context,
    portfolio: Which,
    kind: Annotated[str, typer.Argument(help="deposit, withdrawal, dividend, interest, fraction, fee or tax")],
    amount: Annotated[str, typer.Argument(help="yen")],
    symbol: Annotated[str | None, typer.Option(help="of a dividend or a fraction")] = None,
    day: _Day = None,
    note: _Note = "",
    key: Key = None,
    *,
    json: Json = False,
) -> None:
    """Book a movement of cash."""
    session: Session = context.obj.with_json(json)
    body = given(kind=kind, amount=amount, symbol=symbol, day=day, note=note)
    _book(session, f"{find_portfolio(session, portfolio)}/cash", body, key)


@app.command("dividends")
def book_dividends(context: typer.Context, portfolio: Which, *, json: Json = False) -> None:
    """Book the dividends among the corporate actions that the shares were due; none is booked twice."""
    session: Session = context.obj.with_json(json)
    booked = session.client().call("POST", f"{find_portfolio(session, portfolio)}/dividends")
    if session.print_if_json(booked):
        return
    if booked["items"]:
        session.show(_entries_table(session, booked["items"]))
    session.say("dividends_booked", count=len(booked["items"]))


@app.command("reverse")
def reverse_entry(
    context: typer.Context,
    portfolio: Which,
    entry_id: Annotated[str, typer.Argument(help="id of the entry, as lists print it")],
    note: _Note = "",
    key: Key = None,
    *,
    json: Json = False,
) -> None:
    """Take back a trade or a movement by another entry."""
    session: Session = context.obj.with_json(json)
    _book(session, f"{find_portfolio(session, portfolio)}/reversals", given(entry_id=entry_id, note=note), key)


@app.command("trades")
def list_trades(
    context: typer.Context,
    portfolio: Which,
    limit: _Limit = 20,
    *,
    json: Json = False,
) -> None:
    """List trades and their reversals by day, newest first."""
    _list_entries(context.obj.with_json(json), portfolio, "trades", limit)


@app.command("movements")
def list_movements(
    context: typer.Context,
    portfolio: Which,
    limit: _Limit = 20,
    *,
    json: Json = False,
) -> None:
    """List movements of cash that are no trades by day, newest first."""
    _list_entries(context.obj.with_json(json), portfolio, "cash", limit)


def find_portfolio(session: Session, wanted: str) -> str:
    """Return the path of a portfolio by its name or id; a name comes before an id."""
    return f"{PORTFOLIOS}/{quote(find_id(session, PORTFOLIOS, wanted, missing='no_such_portfolio'))}"


def show_yen(amount: str | None) -> str:
    """Return an amount with commas; empty for None."""
    return "" if amount is None else f"{Decimal(amount):,f}"


def key_header(key: str | None) -> dict[bytes, bytes]:
    """Return the header of an Idempotency-Key, if there is one."""
    # As bytes, so that the API can reject a key that is not ASCII, with its reason.
    return {} if key is None else {b"Idempotency-Key": key.encode()}


def _book(session: Session, path: str, body: dict[str, Any], key: str | None) -> None:
    booked = session.client().call("POST", path, json=body, headers=key_header(key))
    if session.print_if_json(booked):
        return
    session.show(_entries_table(session, [booked]))
    session.say("entry_booked", entry_id=booked["id"])


def _list_entries(session: Session, portfolio: str, part: str, limit: int) -> None:
    found = session.client().call("GET", f"{find_portfolio(session, portfolio)}/{part}", params={"limit": limit})
    if not session.print_if_json_or_empty(found, "no_entries"):
        session.show(_entries_table(session, found["items"]))


def _entries_table(session: Session, items: list[dict[str, Any]]) -> Table:
    names = ("entry", "day", "kind", "symbol", "quantity", "price", "fee", "amount", "note", "reversed by")
    table = new_table(session.words, *names, right={"quantity", "price", "fee", "amount"}, whole={"entry", "day"})
    for each in items:
        quantity = "" if each["quantity"] is None else f"{each['quantity']:,}"
        amounts = (show_yen(each[name]) for name in ("price", "fee", "amount"))
        kind = session.words.coded("entry", each["kind"])
        reversal = (each["reversed_by"] or "")[:8]
        add_row(table, each["id"], each["day"], kind, each["symbol"] or "", quantity, *amounts, each["note"], reversal)
    return table
