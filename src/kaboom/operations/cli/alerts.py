"""`kaboom alerts`: what to look at now."""

from typing import Any

import typer
from rich.table import Table

from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker


def alerts(context: typer.Context, *, json: Json = False) -> None:
    """Show what a human should look at now, each with the command to begin with."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/alerts")
    if session.print_if_json(found):
        return
    if found["items"]:
        session.show(_table(session.words, found["items"]))
    elif not found["unknown"]:
        session.say("nothing needs attention")
    if found["unknown"]:
        session.say("could not be checked: {kinds}", kinds=", ".join(found["unknown"]))


def _table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    table = new_table(words, "severity", "what", "since (JST)", "detail", "fix")
    for each in items:
        title = f"{each['title']} ({each['about']})" if each["about"] else each["title"]
        severity = words.coded("severity", each["severity"])
        add_row(table, severity, title, to_jst(each["since"]), each["detail"], each["command"])
    return table
