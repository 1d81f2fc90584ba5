"""`kaboom bars quarantine`: the rows that quality rules rejected."""

from typing import Annotated, Any

import typer
from rich.table import Table

from kaboom.cli.options import IntervalName, Json, Source, given
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.times import to_jst
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

_PRICES = ("open", "high", "low", "close")


def show_quarantine(
    context: typer.Context,
    interval: IntervalName = "1m",
    session_date: Annotated[str | None, typer.Option("--session", help="only rows of this day (YYYY-MM-DD)")] = None,
    symbol: Annotated[str | None, typer.Option(help="only this symbol, as the row has it")] = None,
    reason: Annotated[str | None, typer.Option(help="only rows rejected for this reason, such as off_grid")] = None,
    source: Source = None,
    limit: Annotated[int, typer.Option(help="rows on one page", min=1, max=10_000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the previous page, with the same filters")] = None,
    *,
    json: Json = False,
) -> None:
    """List rows that quality rules rejected, newest first, with the reason; none of them is in the bars."""
    session: Session = context.obj.with_json(json)
    params = given(interval=interval, limit=limit, session=session_date, symbol=symbol)
    params |= given(reason=reason, provider=source, cursor=cursor)
    page = session.client().call("GET", "/api/v1/bars/quarantine", params=params)
    if not session.print_if_json_or_empty(page, "no_rejected_rows", source=page["provider"], interval=page["interval"]):
        _show(session, page)


def _show(session: Session, page: dict[str, Any]) -> None:
    words = session.words
    reasons = words.say("join").join(f"{words.coded('refusal', code)} {n:,}" for code, n in page["reasons"].items())
    about = {"source": page["provider"], "interval": page["interval"], "total": page["total"]}
    session.say("rejected_rows", **about, reasons=reasons)
    session.show(_row_table(words, page["items"]))
    if page["next_cursor"]:
        session.say("more_rejected_rows", cursor=page["next_cursor"])


def _row_table(words: Speaker, rows: list[dict[str, Any]]) -> Table:
    numbers = (*_PRICES, "volume")
    place = ("file",) if any(row["file"] for row in rows) else ()
    table = new_table(words, "opened_at (JST)", "symbol", *numbers, "reason", *place, right=numbers)
    for row in rows:
        prices = [_number(row[name], ",.1f") for name in _PRICES]
        cells = (to_jst(row["opened_at"]), row["symbol"], *prices, _number(row["volume"], ",.0f"))
        found_at = [f"{row['file']}:{row['line']}" if row["file"] else ""] if place else []
        add_row(table, *cells, words.coded("refusal", row["reason"]), *found_at)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
