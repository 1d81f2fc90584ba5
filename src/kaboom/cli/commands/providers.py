"""`kaboom providers`: the sources of bars, their limits, and whether one is paused; and a test of one."""

from typing import Any

import typer
from rich.table import Table

from kaboom.cli.commands.provider_trial import run_trial
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

app = typer.Typer(help="Show the data providers: which are on, their limits, and which are paused; and test one.")
app.command("test")(run_trial)
#: The code of its prices, by `is_adjusted`.
_PRICES = {None: "unknown", False: "raw", True: "adjusted"}


@app.callback(invoke_without_command=True)
def providers(context: typer.Context, *, json: Json = False) -> None:
    """Show the data providers: which are on, their limits, and which are paused; and test one."""
    if context.invoked_subcommand:
        return
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/providers")
    if session.print_if_json(found):
        return
    session.show(_table(session.words, found["items"]))
    for each in found["items"]:
        if each["is_paused"]:
            until = to_jst(each["paused_until"], "seconds")
            session.say("provider_paused", name=each["name"], until=until, reason=each["pause_reason"])
    if any(each["is_paused"] is None for each in found["items"]):
        session.say("provider_pauses_unknown")


def _table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    limits = ("requests", "at once")
    table = new_table(words, "provider", "state", *limits, "prices", "intervals", "markets", "detail", right=limits)
    for each in items:
        state = words.coded("provider", _state(each))
        state = words.say("provider_default", state=state) if each["is_default"] else state
        bounds = [_rate(words, each), "" if each["concurrency"] is None else f"{each['concurrency']:,}"]
        prices = words.code("prices", _PRICES[each.get("is_adjusted")])
        lists = [", ".join(each[name]) for name in ("intervals", "markets")]
        add_row(table, each["name"], state, *bounds, prices, *lists, each["lacking"] or each["summary"])
    return table


def _rate(words: Speaker, provider: dict[str, Any]) -> str:
    for name in ("requests_per_minute", "requests_per_second"):
        if n := provider.get(name):
            return words.say(name, n=n)
    return ""


def _state(provider: dict[str, Any]) -> str:
    if not provider["is_on"]:
        return "off"
    return "paused" if provider["is_paused"] else "on"
