"""`kaboom screen` asks once; `kaboom screens` lists, shows, runs and deletes what was saved."""

from typing import Annotated, Any

import typer

from kaboom.cli.options import Json, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session

app = typer.Typer(help="Saved screens: list, show what entered and left, run, delete.", no_args_is_help=True)

_SCREENS, _MATCHES, _RUN = "/api/v1/screens", "/api/v1/screen-matches", "/api/v1/market-data/screen"

Named = Annotated[str, typer.Argument(metavar="SCREEN", help="its name")]
_Day = Annotated[str | None, typer.Option("--session", help="YYYY-MM-DD (default: newest closed)")]
_HeldDay = Annotated[str | None, typer.Option("--session", help="YYYY-MM-DD (default: newest of which bars are held)")]
#: Of the symbols that entered or left.
_MOST_SHOWN = 8


def screen(
    context: typer.Context,
    expression: Annotated[str, typer.Argument(help='a condition such as "rsi_14 < 30 and close > sma_75"')],
    session_day: _HeldDay = None,
    as_of: Annotated[
        str | None, typer.Option(help="bars as they were known then: a day, or a time with its zone")
    ] = None,
    market: Annotated[str | None, typer.Option(help="only symbols listed there, such as TSE_PRIME")] = None,
    provider: Annotated[str | None, typer.Option(help="whose bars (default: KABOOM_PROVIDER)")] = None,
    limit: Annotated[int, typer.Option(help="symbols to show", min=1, max=5000)] = 50,
    save: Annotated[str | None, typer.Option(metavar="NAME", help="save it as a screen of this name, too")] = None,
    *,
    json: Json = False,
) -> None:
    """Show the symbols that pass a condition on daily bars and indicators, by turnover."""
    session: Session = context.obj.with_json(json)
    client, of = session.client(), given(market=market, provider=provider)
    asked = given(expression=expression, session=session_day, as_of=as_of, limit=limit) | of
    if save:
        client.call("POST", _SCREENS, json={"name": save, "expression": expression} | of)
        session.say("screen {name} saved; run it with: kaboom screens run {name}", name=save)
    found = client.call("GET", _MATCHES, params=asked)
    if session.print_if_json(found):
        return
    if found["items"]:
        table = new_table(session.words, "symbol")
        for name in found["columns"]:
            table.add_column(name, justify="right", no_wrap=True)
        for item in found["items"]:
            add_row(table, item["symbol"], *(_figure(item["values"][name]) for name in found["columns"]))
        session.show(table)
    session.say(
        "session {session}: {passed} of {seen} symbols pass, {unknown} have too short a history",
        session=found["session"],
        passed=found["passed"],
        seen=found["seen"],
        unknown=found["unknown"],
    )
    if found["awaited"]:
        session.say("no daily bars of {session} are held yet", session=found["awaited"])
    session.tell(session.say_source(found["provider"]))


@app.command("list")
def list_screens(context: typer.Context, *, json: Json = False) -> None:
    """List all saved screens, each with its newest result."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", _SCREENS)
    if session.print_if_json_or_empty(found, "no screens yet; save one with: kaboom screen EXPRESSION --save NAME"):
        return
    table = new_table(session.words, "screen", "expression", "market", "session", "pass")
    for item in found["items"]:
        last = item["last"]
        result = (last["session"], str(len(last["symbols"]))) if last else ("", "")
        add_row(table, item["name"], item["expression"], item["market"] or "", *result)
    session.show(table)


@app.command("show")
def show(context: typer.Context, screen: Named, *, json: Json = False) -> None:
    """Show what entered and what left a screen by session."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", f"{_SCREENS}/{screen}/sessions")
    if session.print_if_json_or_empty(found, "no results yet; run it with: kaboom screens run {name}", name=screen):
        return
    table = new_table(session.words, "session", "pass", "entered", "left")
    for item in found["items"]:
        add_row(table, item["session"], str(len(item["symbols"])), _names(item["entered"]), _names(item["left"]))
    session.show(table)


@app.command("run")
def run(context: typer.Context, screen: Named, session_day: _Day = None, *, json: Json = False) -> None:
    """Run a saved screen as a job, which keeps what passes."""
    session: Session = context.obj.with_json(json)
    job = session.client().call("POST", _RUN, json=given(screen=screen, session=session_day))
    if not session.print_if_json(job):
        session.say("follow the job with: kaboom jobs watch {job_id}", job_id=job["job_id"])


@app.command("delete")
def delete(context: typer.Context, screen: Named, *, json: Json = False) -> None:
    """Delete a saved screen and its results."""
    session: Session = context.obj.with_json(json)
    session.client().call("DELETE", f"{_SCREENS}/{screen}")
    session.print_if_json({"name": screen, "status": "deleted"})
    session.say("screen {name} deleted", name=screen)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.2f}"


def _names(symbols: list[Any] | None) -> str:
    if symbols is None:
        return ""
    more = f" +{len(symbols) - _MOST_SHOWN}" if len(symbols) > _MOST_SHOWN else ""
    return ", ".join(symbols[:_MOST_SHOWN]) + more
