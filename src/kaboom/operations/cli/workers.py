"""`kaboom workers`: the workers, and the chunks that they run."""

from typing import Any

import typer
from rich.table import Table

from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

_MIB = 2**20


def workers(context: typer.Context, *, json: Json = False) -> None:
    """Show the workers of the last 15 minutes, and the chunks that each runs now."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/workers")
    if not session.print_if_json_or_empty(
        found, "no worker has reported in the last 15 minutes; start one: kaboom worker"
    ):
        session.show(_worker_table(session.words, found["items"]))
        _show_chunks(session, found["items"])


def _worker_table(words: Speaker, items: list[dict[str, Any]]) -> Table:
    names = ("worker", "state", "busy", "memory", "queues", "up since (JST)", "seen (JST)")
    table = new_table(words, *names, right={"busy", "memory"})
    for each in items:
        memory = "" if each["memory_bytes"] is None else f"{each['memory_bytes'] / _MIB:,.0f} MiB"
        times = (to_jst(each["started_at"]), to_jst(each["seen_at"], "seconds").partition(" ")[2])
        state = words.coded("worker", each["state"])
        add_row(
            table, each["name"], state, f"{each['busy']}/{each['slots']}", memory, ", ".join(each["queues"]), *times
        )
    return table


def _show_chunks(session: Session, items: list[dict[str, Any]]) -> None:
    names = ("worker", "slot", "queue", "job", "chunk", "since (JST)")
    table = new_table(session.words, *names, right={"slot", "chunk"}, whole={"job"})
    for each in items:
        for chunk in each["chunks"]:
            since = to_jst(chunk["since"], "seconds").partition(" ")[2]
            cells = [str(chunk[name] or "") for name in ("slot", "queue", "job_id", "chunk")]
            add_row(table, each["name"], *cells, since)
    if table.row_count:
        session.show("")
        session.show(table)
