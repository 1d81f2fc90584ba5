"""`kaboom portfolio`: create, list and show portfolios, book trades and cash, import and export."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.lookup import PORTFOLIOS, find_portfolio_id
from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.drivers.csv_text import decode_csv

app = typer.Typer(help="Keep portfolios: trades, cash, positions and what they are worth.", no_args_is_help=True)

#: What the body of a request holds.
_MOST_BYTES = 60_000
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
    session.say("dividends booked: {count}", count=len(booked["items"]))


#: The fields of a performance in the order of the table: in percent, and as plain numbers.
_SHARES = (
    "time_weighted", "money_weighted", "last_day", "max_drawdown", "benchmark_return", "alpha", "tracking_error",
    "up_capture", "down_capture",
)  # fmt: skip
_RATIOS = ("beta", "information_ratio")


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
    """Return the path of a portfolio by its name or id."""
    return f"{PORTFOLIOS}/{quote(find_portfolio_id(session, wanted))}"


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
    session.say("booked as {entry_id}", entry_id=booked["id"])


def _list_entries(session: Session, portfolio: str, part: str, limit: int) -> None:
    found = session.client().call("GET", f"{find_portfolio(session, portfolio)}/{part}", params={"limit": limit})
    if not session.print_if_json_or_empty(found, "no entries"):
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
    session.say("portfolio {name} created", name=made["name"])


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
    session.say("its name is {name} now", name=changed["name"])


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
        typer.confirm(
            session.words.say(
                "delete the portfolio {portfolio} with all its entries? this cannot be undone", portfolio=portfolio
            ),
            abort=True,
            err=True,
        )
    session.client().call("DELETE", path)
    session.say("portfolio {portfolio} deleted", portfolio=portfolio)


@app.command("list")
def list_portfolios(context: typer.Context, *, json: Json = False) -> None:
    """List portfolios with their cash in yen."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", PORTFOLIOS)
    if session.print_if_json_or_empty(found, "no portfolios: create one with `kaboom portfolio create NAME`"):
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
        session.say("no positions")
    totals = {name: show_yen(found[name]) or session.words.say("unknown") for name in ("value", "equity", "profit")}
    session.show(
        session.words.say(
            "cash {cash} yen · positions {value} yen · equity {equity} yen · profit {profit} yen",
            cash=show_yen(found["cash"]),
            **totals,
        )
    )
    _say_doubts(session, found)


@app.command("performance")
def show_performance(
    context: typer.Context,
    portfolio: Which,
    first: Annotated[str | None, typer.Option("--from", help="first day (default: that of the first entry)")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last day (default: that of the newest close)")] = None,
    *,
    json: Json = False,
) -> None:
    """Show returns with and without the effect of deposits, against TOPIX, and what each symbol contributed."""
    session: Session = context.obj.with_json(json)
    found = session.client().call(
        "GET", f"{find_portfolio(session, portfolio)}/performance", params=given(first=first, last=last)
    )
    if session.print_if_json(found):
        return
    session.tell(session.say_source(found["provider"]))
    if found["first"] is None:
        session.say("no session yet on which the value is known")
        return
    session.say("{first} to {last}", first=found["first"], last=found["last"])
    table = new_table(session.words, "metric", "result", right={"result"})
    for name in _SHARES + _RATIOS:
        value = found[name]
        shown = "" if value is None else f"{value:.2f}" if name in _RATIOS else f"{value:.2%}"
        add_row(table, session.words.coded("performance", name), shown)
    session.show(table)
    if found["benchmark"]:
        session.say("{symbol} stands for TOPIX, without dividends", symbol=found["benchmark"])
    if found["contributions"]:
        table = new_table(session.words, "symbol", "gain, yen", "contribution", right={"gain, yen", "contribution"})
        for each in found["contributions"]:
            name = each["symbol"] or session.words.say("cash")
            add_row(table, name, show_yen(each["gain"]), f"{each['share']:+.2%}")
        session.show(table)


@app.command("import")
def import_file(
    context: typer.Context,
    portfolio: Which,
    file: Annotated[
        Path,
        typer.Argument(help="CSV of day,kind,symbol,quantity,price,fee,amount,note, or of the broker; UTF-8 or CP932"),
    ],
    key: Key = None,
    *,
    force: Force = False,
    deposits: Annotated[
        bool, typer.Option("--deposits", help="also book a deposit of what a buy lacks, on its day")
    ] = False,
    json: Json = False,
) -> None:
    """Book all entries of a CSV file, or none; or the new trades of a history of SBI, Rakuten or Monex Securities."""
    session: Session = context.obj.with_json(json)
    try:
        text = decode_csv(file.read_bytes())
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise CliError(
            Exit.USAGE, session.words.say("{path} could not be read: {reason}", path=file, reason=reason)
        ) from e
    if len(text.encode()) > _MOST_BYTES:
        message = session.words.say(
            "{path} has {size:,} bytes in UTF-8, expected at most {most:,}: split it between two days",
            path=file,
            size=len(text.encode()),
            most=_MOST_BYTES,
        )
        raise CliError(Exit.USAGE, message)
    path = f"{find_portfolio(session, portfolio)}/import"
    body = {"csv": text, "force": force} | ({"deposits": True} if deposits else {})
    done = session.client().call("POST", path, json=body, headers=key_header(key))
    session.print_if_json(done)
    _say_imported(session, done, key)


def _say_imported(session: Session, done: dict[str, Any], key: str | None) -> None:
    words = session.words
    booked = words.count("{n:,} entry booked", "{n:,} entries booked", done["entries"])
    session.tell(booked if key is None else words.say("{booked}, once for the key {key}", booked=booked, key=key))
    if done["deposits"]:
        session.tell(
            words.count("{n:,} of them is a deposit for a buy", "{n:,} of them are deposits for buys", done["deposits"])
        )
    if done["known"]:
        session.tell(words.count("{n:,} trade was booked before", "{n:,} trades were booked before", done["known"]))
    for each in done["left_out"]:
        session.say("line {line} left out: {reason}", line=each["line"], reason=words.detail(each["reason"]))


@app.command("export")
def export_file(
    context: typer.Context,
    portfolio: Which,
    out: Annotated[Path | None, typer.Option(help="file to write (default: stdout)")] = None,
) -> None:
    """Write all entries in force as CSV for `import`; spreadsheets find no formulas in it."""
    session: Session = context.obj
    content = session.client().fetch(f"{find_portfolio(session, portfolio)}/export", "text/csv")
    if out is None:
        session.write_file(content)
    else:
        session.save_file(out, content, "written to {path}")


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
        session.say("no close is stored of {symbols}", symbols=", ".join(found["unpriced"]))
    doubtful = [each["symbol"] for each in found["items"] if each["price"] and each["price"]["is_final"] is not True]
    if doubtful:
        session.say("the closes of {symbols} may still change", symbols=", ".join(doubtful))
