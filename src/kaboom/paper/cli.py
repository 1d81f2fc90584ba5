"""`kaboom paper`: book a session of a paper portfolio, and show how far it is from its backtest."""

from typing import Annotated, Any

import typer

from kaboom.backtest.cli.options import Market, Params, keep_given, read_model, read_parameters
from kaboom.backtest.cli.tables import print_next_orders, say_parameters
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.job_follower import submit
from kaboom.cli.lookup import PORTFOLIOS, find_portfolio_id
from kaboom.cli.options import Callback, Json, Symbols, Tags, Timeout, Wait
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.paper.jobs import PAPER

app = typer.Typer(help="Let a portfolio follow a strategy session by session, without orders.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="PORTFOLIO", help="name or id of a portfolio")]
_NUMBERS = ("equity, yen", "backtest, yen", "drift", "fills")


@app.command("run")
def run(
    context: typer.Context,
    portfolio: Which,
    strategy: Annotated[
        str | None, typer.Argument(help="a name of `kaboom backtest list` (default: the one that it follows)")
    ] = None,
    symbol: Symbols = None,
    market: Market = None,
    param: Params = None,
    model: Annotated[
        list[str] | None, typer.Option(help="a field of the fill model, such as volume_cap=0 (repeatable)")
    ] = None,
    warm_up: Annotated[int | None, typer.Option(help="sessions of bars before the first (default: 250)")] = None,
    session_day: Annotated[str | None, typer.Option("--session", help="YYYY-MM-DD (default: newest closed)")] = None,
    callback_url: Callback = None,
    tags: Tags = None,
    timeout: Timeout = None,
    *,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Book each session up to one that has closed: fill what waited, and note what waits next."""
    session: Session = context.obj.with_json(json)
    portfolio_id = find_portfolio_id(session, portfolio)
    terms = keep_given({"symbols": symbol, "market": market, "warm_up": warm_up})
    terms |= keep_given({"parameters": read_parameters(param), "model": read_model(model, None, None, is_short=False)})
    if strategy is None:
        if terms:
            raise CliError(Exit.USAGE, "expected STRATEGY beside its options")
        terms = session.client().call("GET", f"{PORTFOLIOS}/{portfolio_id}/paper", params={"limit": 1})["terms"]
    else:
        terms = PAPER.request.fill_in(terms | {"strategy": strategy})
    body = keep_given({"session": session_day, "callback_url": callback_url, "tags": tags})
    submit(session, PAPER.path, terms | body | {"portfolio_id": portfolio_id}, wait=wait, timeout_s=timeout)


@app.command("show")
def show(
    context: typer.Context,
    portfolio: Which,
    limit: Annotated[int, typer.Option(help="sessions to show", min=1, max=2500)] = 20,
    *,
    json: Json = False,
) -> None:
    """Show the sessions of a paper portfolio beside its backtest, and what waits for the next one."""
    session: Session = context.obj.with_json(json)
    path = f"{PORTFOLIOS}/{find_portfolio_id(session, portfolio)}/paper"
    found = session.client().call("GET", path, params={"limit": limit})
    if session.print_if_json(found):
        return
    terms = found["terms"]
    head = f"{terms['strategy']} {say_parameters(terms['strategy'], terms['parameters'])}".strip()
    session.show(session.words.say("{run} since {day}", run=head, day=found["started_on"]))
    table = new_table(session.words, "session", *_NUMBERS, "booked", right=_NUMBERS)
    for each in found["items"]:
        booked = session.words.say("late") if each["is_late"] else session.words.say("in time")
        numbers = (f"{each['equity']:,.0f}", f"{each['backtest_equity']:,.0f}", f"{each['drift']:+z.2%}")
        add_row(table, each["session"], *numbers, str(each["fills"]), booked)
    session.show(table)
    orders: dict[str, Any] = {"next_orders": found["next_orders"], "next_order_count": len(found["next_orders"])}
    if found["items"]:
        last = {"last": found["items"][0]["session"], "next_session": found["next_session"]}
        print_next_orders(session, orders | last)
